// npm run rollout: samples solutions from a policy, scores their steps, and writes preference pairs and step labels.
// Ctrl-C keeps the finished problems; --resume goes on. Exit 1 when no pair could be made.

import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { openFleet } from "../src/infer/fleet.ts";
import { AGGREGATIONS, type Aggregation } from "../src/shared/aggregate.ts";
import { createProgress, type Progress } from "../src/train/io/progress.ts";
import { wordsOfRollout } from "../src/train/recipes/rollout/journal.ts";
import { PAIR_KINDS, type PairKind } from "../src/train/recipes/rollout/pair-kinds.ts";
import { PREFERENCE } from "../src/train/recipes/rollout/problems.ts";
import { PARTIAL_FILE, runRollout } from "../src/train/recipes/rollout/run.ts";
import { SCORER_NAMES, type ScorerName } from "../src/train/recipes/rollout/score-rollouts.ts";
import { SEARCHES, type SearchChoice } from "../src/train/recipes/rollout/search-rollouts.ts";
import { LABEL_SOURCES, type LabelSource } from "../src/train/recipes/rollout/step-rows.ts";
import { rolloutSummary } from "../src/train/recipes/rollout/summary.ts";
import { resolveModelWithProgress } from "../src/train/store/hub/resolve-model-with-progress.ts";
import type { BackendChoice } from "../src/train/tensorflow/backends.ts";
import { describeBackend, startTensorflow } from "../src/train/tensorflow/tensorflow.ts";
import { keyOf } from "./api-key.ts";
import { reportFailure, stopOnInterrupt } from "./cli.ts";
import { backendOption, fraction, optionsOver, wholeNumber } from "./flags.ts";

interface Flags {
  model: string;
  rewardModel?: string;
  scorer?: ScorerName;
  aggregation: Aggregation;
  data: string;
  problems: number;
  samples: number;
  search: SearchChoice;
  searchExpand: number;
  searchThreshold: number;
  temperature: number;
  topK: number;
  topP: number;
  maxNewTokens: number;
  pairs: PairKind[];
  maxPairsPerProblem: number;
  requireRight: boolean;
  pairScores: boolean;
  resample: number;
  monteCarlo: number;
  labels: LabelSource;
  evalFraction: number;
  seed: number;
  output: string;
  batchSize: number;
  processes?: number;
  endpoint?: string[];
  apiKeyEnv?: string;
  backend: BackendChoice;
  resume: boolean;
  overwrite: boolean;
}

const pairKinds = (text: string): PairKind[] => {
  const names = new Set(text.split(",").map((name) => name.trim()));
  if (names.delete("all")) for (const kind of PAIR_KINDS) names.add(kind);
  const kinds = PAIR_KINDS.filter((kind) => names.delete(kind));
  if (names.size > 0 || kinds.length === 0)
    throw new InvalidArgumentError(`Give a list of ${PAIR_KINDS.join(", ")}, or all.`);
  return kinds;
};

/** A number above `min` (or equal to it, where `closed`) up to `max`. */
const numberIn =
  (min: number, max: number, closed: boolean) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== "" && value <= max && (closed ? value >= min : value > min)) return value;
    throw new InvalidArgumentError(`Give a number ${closed ? "from" : "above"} ${min} up to ${max}.`);
  };

const program = new Command("npm run rollout --")
  .description("Sample solutions from a policy, score every step, and write preference pairs and step labels.")
  .option("--model <dir|hub-id>", "the policy", "data/models/stepwise-t5-nano")
  .option("--reward-model <dir|hub-id>", "scores the steps; trained, or any T5 as a zero-shot judge")
  .addOption(
    new Option("--scorer <name>", "what scores the steps (default: judge with --reward-model, else checker)").choices(
      SCORER_NAMES,
    ),
  )
  .addOption(new Option("--aggregation <how>", "step scores to one score").choices(AGGREGATIONS).default("mean"))
  .option("--data <file|dir>", `problems; "${PREFERENCE}": drawn from the built-in word problems`, PREFERENCE)
  .option("--problems <n>", "problems to solve", wholeNumber(0), 500)
  .option("--samples <k>", "solutions of each problem", wholeNumber(0), 8)
  .addOption(
    new Option(
      "--search <how>",
      "step-beam: search step by step, led by the scores, --samples prefixes kept; step-retry: write bad steps again",
    )
      .choices(SEARCHES)
      .default("none"),
  )
  .option(
    "--search-expand <n>",
    "step-beam: next steps written from each kept prefix; step-retry: most tries of a step",
    wholeNumber(1),
    4,
  )
  .option("--search-threshold <s>", "step-retry: a step that scores below it is written again", fraction(0, 1), 0.5)
  .option("--temperature <t>", "of sampling", numberIn(0, 100, false), 1)
  .option("--top-k <k>", "sample from the k likeliest tokens; 0: from all", wholeNumber(0), 0)
  .option("--top-p <p>", "sample from the likeliest tokens that reach p", numberIn(0, 1, false), 1)
  .option("--max-new-tokens <n>", "longest solution, in tokens", wholeNumber(1), 128)
  .option("--pairs <list>", `${PAIR_KINDS.join(", ")} (separated by commas), or all`, pairKinds, ["best-worst"])
  .option("--max-pairs-per-problem <n>", "of each kind", wholeNumber(1), 4)
  .option("--require-right", "best-worst: only where the best is right and the worst is wrong", false)
  .option("--no-pair-scores", "write pairs without scores: the training run's reward model scores them")
  .option("--resample <n>", "step: next steps written again where no sample shows a right one", wholeNumber(0), 4)
  .option("--monte-carlo <m>", "continuations from the end of each step; 0: none", wholeNumber(0), 0)
  .addOption(new Option("--labels <source>", "labels of steps.jsonl").choices(LABEL_SOURCES).default("checker"))
  .option("--eval-fraction <x>", "part of the prompts kept for eval.jsonl", fraction(0, 1), 0.1)
  .option("--seed <n>", "seed of everything random", wholeNumber(0, 0xffffffff), 42)
  .option("--output <dir>", "where the files go", "outputs/rollouts")
  .option("--batch-size <n>", "solutions decoded together", wholeNumber(1), 64)
  .option("--processes <n>", "processes that decode (default: the cores, at most 4)", wholeNumber(1, 64))
  .option(
    "--endpoint <url>",
    "workers that sample, and judge unless --reward-model does; several times: they share the work",
    (url: string, before: string[] | undefined) => [...(before ?? []), url],
  )
  .option("--api-key-env <name>", "environment variable that holds the workers' API key")
  .addOption(backendOption("what the reward model runs on"))
  .option(
    "--resume",
    "go on with the stopped run in --output, with its own settings; finished problems are not repeated",
    false,
  )
  .option("--overwrite", "start anew where a stopped run lies", false)
  .allowExcessArguments(false)
  .parse();
const words = process.argv.slice(2);

/** Flags of a stopped rollout are its own, but for those that are said now. */
async function resumed(now: Flags): Promise<Flags> {
  const begun = now.resume ? await wordsOfRollout(join(now.output, PARTIAL_FILE)) : undefined;
  if (begun === undefined) return now;
  const { output, resume, overwrite } = now;
  return { ...optionsOver<Flags>(program, begun), output, resume, overwrite };
}

let bar: Progress | undefined;
try {
  const { model, rewardModel, backend, output, temperature, topK, topP, endpoint, apiKeyEnv, ...flags } = await resumed(
    program.opts<Flags>(),
  );
  const signal = stopOnInterrupt();
  const scorer = flags.scorer ?? (rewardModel === undefined ? "checker" : "judge");
  const asks = scorer === "judge" || scorer === "both";
  const modelDir = await resolveModelWithProgress(model);
  const rewardModelDir = rewardModel === undefined ? undefined : await resolveModelWithProgress(rewardModel);
  if (asks && rewardModelDir !== undefined)
    console.error(`reward model: ${rewardModelDir} on ${describeBackend(await startTensorflow(backend))}`);
  const apiKey = apiKeyEnv === undefined ? undefined : keyOf(apiKeyEnv);
  const fleet = endpoint === undefined ? undefined : await openFleet(endpoint, { apiKey, signal });
  const report = await runRollout({
    ...flags,
    modelDir,
    fleet,
    rewardModelDir,
    scorer,
    sampling: { doSample: true, temperature, topK, topP },
    outputDir: output,
    words,
    signal,
    onProgress: (done, total) => {
      bar ??= createProgress({ title: "rollout", total, initial: done });
      bar.update(done);
    },
  });
  bar?.stop();
  console.log(rolloutSummary(report, output));
  if (report.pairs.train + report.pairs.eval === 0) {
    console.error(
      "warning: no pair could be made; the reasons stand above. Try more --samples, or a higher --temperature.",
    );
    process.exitCode = 1;
  }
} catch (error) {
  reportFailure(error);
} finally {
  bar?.stop();
}
process.exit(); // TensorFlow's worker threads would keep the process alive
