// The flags of `npm run train -- --online`, beside those of training. They carry no defaults of their own: src/train/recipes/online/settings.ts does.

import { type Command, InvalidArgumentError, Option } from "commander";
import {
  type GivenOnlineSettings,
  MATERIALS,
  ONLINE_DEFAULTS,
  ONLINE_KEYS,
  type OnlineSettings,
} from "../src/train/recipes/online/settings.ts";
import { SCORER_NAMES } from "../src/train/recipes/rollout/score-rollouts.ts";
import { SEARCHES } from "../src/train/recipes/rollout/search-rollouts.ts";
import { flagOf } from "../src/train/recipes/run/settings.ts";

type Key = keyof OnlineSettings;

const CHOICES: Partial<Record<Key, readonly string[]>> = {
  search: SEARCHES,
  scorer: SCORER_NAMES,
  learnFrom: MATERIALS,
  scoredBy: ["rollout", "train"],
  reference: ["round", "fixed"],
};

const DESCRIPTIONS: Readonly<Record<Key, string>> = {
  rounds: "rounds of sampling and update",
  problemSource: "problems: the built-in preference split, or a data file or folder",
  problems: "problems of a round",
  samples: "solutions of each problem; beams of a search",
  temperature: "of sampling",
  maxNewTokens: "longest solution, in tokens",
  search: "sample each solution on its own, or search step by step, led by the scores",
  searchExpand: "next steps written from each kept prefix of a search; step-retry: most tries of a step",
  searchThreshold: "step-retry: a step that scores below it is written again",
  scorer: "what scores the steps (default: judge with --reward-model, else checker)",
  learnFrom: "what is made of the samples (default by loss)",
  maxPairsPerProblem: "of each problem and round",
  replay: "learn from the samples of all rounds so far",
  resample: "next steps written again where no sample shows a right one (step, right-steps)",
  scoredBy: "train: pairs have no scores, so that the reward model of the update scores them",
  reference: "frozen model of the losses that have one: the round's first policy, or the run's",
  problemMinSteps: "fewest steps of the built-in problems (default: 2)",
  problemMaxSteps: "most steps of the built-in problems (default: 6)",
  problemStepsRise: "steps that each round's problems have more than those of the round before",
  problemTraps: "half of the problems say a number that does not matter, half name the first amount last",
  curriculum: "draw most problems where about half of the samples are right",
  budgetSamples: "samples of the whole run (default: as the rounds have)",
  budgetTokens: "tokens written in the whole run (default: no limit)",
  budgetMinutes: "minutes of sampling and updates (default: no limit)",
  validationProblems: "held-out problems solved greedily after every round",
};

/** Not taken for a prefix of another flag, and not mixed up with the training flags of the same meaning. */
function option(key: Key): Option {
  const byDefault = Object.entries(ONLINE_DEFAULTS).find(([name]) => name === key)?.[1];
  const shown = byDefault === undefined || byDefault === null || byDefault === false ? "" : ` (default: ${byDefault})`;
  const description = `online: ${DESCRIPTIONS[key]}${shown}`;
  const choices = CHOICES[key];
  if (choices !== undefined) return new Option(`${flagOf(key)} <choice>`, description).choices(choices);
  if (key === "curriculum" || key === "replay" || key === "problemTraps") return new Option(flagOf(key), description);
  if (key === "problemSource") return new Option(`${flagOf(key)} <file|dir>`, description);
  return new Option(`${flagOf(key)} <number>`, description).argParser((text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value)) throw new InvalidArgumentError("Not a number.");
    return value;
  });
}

/** Adds `--online` and its flags. */
export function addOnlineFlags(command: Command): Command {
  command.addOption(
    new Option(
      "--online",
      "rounds of sampling with the current policy, scoring and updates; see docs/online.md",
    ).default(false),
  );
  for (const key of ONLINE_KEYS) command.addOption(option(key));
  return command;
}

/** The parsed command's online flags, for `resolveOnlineSettings`, which checks them. */
export function onlineFlags(command: Command): GivenOnlineSettings {
  const options: Record<string, unknown> = command.opts();
  const named = ONLINE_KEYS.map((key) => [key, options[new Option(flagOf(key)).attributeName()]] as const);
  return Object.fromEntries(named.filter(([, value]) => value !== undefined));
}
