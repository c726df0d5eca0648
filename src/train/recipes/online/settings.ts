// The settings of an online run beside those of training: how much is sampled in a round, what scores it, what is learnt from it, and
// when it ends. camelCase inside; online_config.json and flags use the same words in snake_case and kebab-case.

import { z } from "zod";
import { InputError } from "../../../shared/errors.ts";
import { MOST_STEPS } from "../../data/arithmetic/generate.ts";
import type { LossType } from "../../loss/settings.ts";
import { PAIR_KINDS } from "../rollout/pair-kinds.ts";
import { PREFERENCE } from "../rollout/problems.ts";
import { RIGHT_SCORE } from "../rollout/rollout.ts";
import { SCORER_NAMES } from "../rollout/score-rollouts.ts";
import { SEARCHES } from "../rollout/search-rollouts.ts";
import { flagOf, settingName } from "../run/settings.ts";

/** What is made of a round's samples; see material.ts. */
export const MATERIALS = [...PAIR_KINDS, "right", "right-steps", "group"] as const;
export type Material = (typeof MATERIALS)[number];

const count = z.number().int().positive();

const settingsSchema = z.strictObject({
  /** Rounds of sampling and update. */
  rounds: count,
  /** Problems: of the built-in preference split, or a data file or folder. */
  problemSource: z.string().min(1),
  /** Problems of a round. */
  problems: count,
  /** Samples of each, at least 2; of a search the prefixes that are kept. */
  samples: count,
  temperature: z.number().positive(),
  maxNewTokens: count,
  /** How a round samples: on its own, or step by step, led by the scores. */
  search: z.enum(SEARCHES),
  /** Next steps written from each kept prefix of a search. */
  searchExpand: count,
  /** `step-retry`: a step that scores below it is written again. */
  searchThreshold: z.number().min(0).max(1),
  scorer: z.enum(SCORER_NAMES),
  learnFrom: z.enum(MATERIALS),
  maxPairsPerProblem: count,
  /** An update learns from the samples of all rounds so far, not of the newest alone. */
  replay: z.boolean(),
  /** Next steps written again where no sample shows a right one (`step`, `right-steps`). */
  resample: z.number().int().nonnegative(),
  /** "train": pairs have no scores, so that the update's reward model scores them. */
  scoredBy: z.enum(["rollout", "train"]),
  /** What the update is held to: the model that the run began with, or the one that the round began with. */
  reference: z.enum(["round", "fixed"]),
  /** Steps of the built-in problems; null: as the generator draws. */
  problemMinSteps: count.nullable(),
  problemMaxSteps: count.nullable(),
  /** Each round's built-in problems have so many steps more than those of the round before. */
  problemStepsRise: z.number().int().nonnegative(),
  /** Built-in problems with numbers that do not matter, and first amounts that are named last. */
  problemTraps: z.boolean(),
  /** Draw the next round's built-in problems by number of steps, most where about half of the samples are right. */
  curriculum: z.boolean(),
  /** The run samples no more than this; null: as much as the rounds have. */
  budgetSamples: count.nullable(),
  budgetTokens: count.nullable(),
  budgetMinutes: z.number().positive().nullable(),
  /** Held-out problems solved greedily after every round; 0: none. */
  validationProblems: z.number().int().nonnegative(),
});

export type OnlineSettings = z.infer<typeof settingsSchema>;
export type GivenOnlineSettings = { [Key in keyof OnlineSettings]?: OnlineSettings[Key] | undefined };

export const ONLINE_DEFAULTS: Readonly<Omit<OnlineSettings, "learnFrom" | "scorer">> = {
  rounds: 3,
  problemSource: PREFERENCE,
  problems: 500,
  samples: 8,
  temperature: 1,
  maxNewTokens: 128,
  search: "none",
  searchExpand: 4,
  searchThreshold: RIGHT_SCORE,
  maxPairsPerProblem: 4,
  replay: false,
  resample: 4,
  scoredBy: "rollout",
  reference: "round",
  problemMinSteps: null,
  problemMaxSteps: null,
  problemStepsRise: 0,
  problemTraps: false,
  curriculum: false,
  budgetSamples: null,
  budgetTokens: null,
  budgetMinutes: null,
  validationProblems: 0,
};

/** Names of all settings. */
export const ONLINE_KEYS = Object.keys(settingsSchema.shape).filter(
  (key): key is keyof OnlineSettings => key in settingsSchema.shape,
);

/** What a loss learns from where nothing is said. */
const MATERIAL_OF_LOSS: Partial<Record<LossType, Material>> = { sft: "right", grpo: "group", first_error: "step" };

/** Fills in the defaults, and refuses what does not go together: InputError naming the flag. */
export function resolveOnlineSettings(
  given: GivenOnlineSettings,
  training: { lossType: LossType; hasRewardModel: boolean },
): OnlineSettings {
  const { lossType, hasRewardModel } = training;
  const some = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const parsed = settingsSchema.safeParse({
    ...ONLINE_DEFAULTS,
    scorer: hasRewardModel ? "judge" : "checker",
    learnFrom: MATERIAL_OF_LOSS[lossType] ?? (lossType === "stepwise" ? "step" : "right-wrong"),
    ...some,
  });
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw refusal(flagOf(String(issue?.path[0])), issue?.message ?? "invalid", "See --help.");
  }
  const settings = parsed.data;
  const { learnFrom, reference, scorer, problemMinSteps, problemMaxSteps, curriculum, problemSource } = settings;
  const takes: readonly Material[] =
    lossType === "grpo" ? ["group"] : lossType === "sft" ? [...PAIR_KINDS, "right", "right-steps"] : PAIR_KINDS;
  if (!takes.includes(learnFrom))
    throw refusal("--learn-from", `loss_type ${lossType} cannot learn from "${learnFrom}"`, `Use ${takes.join(", ")}.`);
  if (settings.samples < 2 && settings.search === "none")
    throw refusal("--samples", "one sample a problem tells nothing apart", "Give at least 2, better 8.");
  if (settings.search !== "none" && scorer === "outcome")
    throw refusal(
      "--search",
      "outcomes alone say nothing of a solution that is only begun",
      "Use --scorer checker or judge.",
    );
  if (lossType === "grpo" && settings.replay)
    throw refusal("--replay", "grpo learns from samples of the policy as it is", "Leave out --replay.");
  if (lossType === "grpo" && reference === "fixed") {
    const fix = "Use --reference round: the clip is about the policy that wrote the samples.";
    throw refusal("--reference", "grpo with a fixed reference", fix);
  }
  if ((scorer === "judge" || scorer === "both") && !hasRewardModel)
    throw refusal("--scorer", `scorer "${scorer}" needs a reward model`, "Name one with --reward-model.");
  const isBuiltIn = problemSource === PREFERENCE;
  if (!isBuiltIn && (curriculum || problemMinSteps !== null || problemMaxSteps !== null))
    throw refusal(
      "--curriculum",
      "problems of a file have no known difficulty",
      "Leave out --curriculum, --problem-min-steps and --problem-max-steps.",
    );
  if ((problemMaxSteps ?? 6) + (settings.rounds - 1) * settings.problemStepsRise > MOST_STEPS)
    throw refusal(
      "--problem-steps-rise",
      `the last round would have problems of more than ${MOST_STEPS} steps`,
      "Give fewer rounds, a smaller rise or a smaller --problem-max-steps.",
    );
  if ((problemMinSteps ?? 2) > (problemMaxSteps ?? 6))
    throw refusal("--problem-min-steps", "more than --problem-max-steps", "Give the smaller number first.");
  return settings;
}

function refusal(where: string, what: string, fix: string): InputError {
  return new InputError({ code: "bad_online_settings", what, where, fix });
}

/** As online_config.json has them. */
export function onlineSettingsToJson(settings: OnlineSettings): Record<string, unknown> {
  return Object.fromEntries(Object.entries(settings).map(([key, value]) => [settingName(key), value]));
}

/** Settings of a JSON file, named in snake_case. Throws InputError for a name that is none. */
export function onlineSettingsFromJson(json: Readonly<Record<string, unknown>>, where: string): GivenOnlineSettings {
  const keys = new Map<string, keyof OnlineSettings>(ONLINE_KEYS.map((key) => [settingName(key), key]));
  return Object.fromEntries(
    Object.entries(json).map(([name, value]) => {
      const key = keys.get(name);
      if (key !== undefined) return [key, value];
      const fix = `Valid names: ${[...keys.keys()].join(", ")}.`;
      throw new InputError({ code: "unknown_setting", what: `unknown online setting "${name}"`, where, fix });
    }),
  );
}
