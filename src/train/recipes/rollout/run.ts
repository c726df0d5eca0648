// A rollout from beginning to end: problems in, K samples each, scored; pairs, step rows and a report out. Problems are worked on in
// batches, and a finished batch is on disk before the next begins.

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Aggregation } from "../../../shared/aggregate.ts";
import { CapacityError, InputError, StepwiseError } from "../../../shared/errors.ts";
import type { SamplingOptions } from "../../../shared/sampling.ts";
import { openOnnxGenerator } from "../../onnx/decode/onnx-generate.ts";
import { rewardModelKey } from "../../reward/reward-model.ts";
import { loadScorer, type Scorer as RewardScorer, scoringProcesses } from "../../reward/scoring/scoring-processes.ts";
import { hashModel } from "../../store/hash.ts";
import { loadConfig } from "../../store/model-config.ts";
import { loadTokenizer } from "../../store/model-folder.ts";
import { withRunLock } from "../run/run-lock.ts";
import { branchRollouts } from "./branches.ts";
import { checkerReward } from "./checker-reward.ts";
import { type Fleet, fleetGenerator, fleetScorer } from "./fleet.ts";
import { openRolloutJournal, type RolloutJournal, type RunIdentity } from "./journal.ts";
import { monteCarloLabels } from "./monte-carlo.ts";
import type { PairKind } from "./pair-kinds.ts";
import { type LoadedProblems, loadProblems } from "./problems.ts";
import { RIGHT_SCORE, type Rollout, type RolloutProblem } from "./rollout.ts";
import { type Policy, sampleRollouts } from "./sample-rollouts.ts";
import { checkScorerName, type ScorerName, scoreRollouts } from "./score-rollouts.ts";
import { type SearchChoice, searchRollouts } from "./search-rollouts.ts";
import type { LabelSource } from "./step-rows.ts";
import { REPORT_FILE, type RolloutReport, writeRollouts } from "./write-rollouts.ts";

export interface RolloutOptions {
  /** Folder of the policy, in Hugging Face layout. */
  modelDir: string;
  /** Folder of the reward model; needed by the scorers `judge` and `both`. TensorFlow must be running for it. */
  rewardModelDir?: string | undefined;
  scorer: ScorerName;
  aggregation: Aggregation;
  /** A data file or folder, or "preference". */
  data: string;
  problems: number;
  /** K, at least 2; of a search the prefixes that are kept. */
  samples: number;
  /** How solutions are found: each sampled on its own (default), or step by step, led by the scorer. */
  search?: SearchChoice | undefined;
  /** Next steps written from each kept prefix of a search, or most tries of a step. Default 4. */
  searchExpand?: number | undefined;
  /** `step-retry`: a step that scores below it is written again. Default 0.5. */
  searchThreshold?: number | undefined;
  sampling: SamplingOptions;
  maxNewTokens: number;
  pairs: readonly PairKind[];
  /** false: pairs are written without scores, so that the training run's reward model scores them. */
  pairScores: boolean;
  /** Most pairs of one problem and kind. */
  maxPairsPerProblem: number;
  /** `best-worst`: only where the best is right and the worst is wrong. */
  requireRight: boolean;
  /** Next steps written again from a right start that no sample goes on from rightly; 0: none (`step`). */
  resample: number;
  /** Continuations from each step's end; 0: no Monte Carlo labels. */
  monteCarlo: number;
  /** Labels of steps.jsonl. */
  labels: LabelSource;
  /** Part of the prompts whose pairs go to eval.jsonl, in [0, 1). */
  evalFraction: number;
  seed: number;
  outputDir: string;
  /** Rows decoded together. */
  batchSize: number;
  /** Problems between two writes to disk: what a kill loses at most. Default: as many as make about 512 texts. */
  problemsABatch?: number | undefined;
  processes?: number | undefined;
  /** Workers that sample, and score where the scorer asks a reward model; `modelDir` is then only read for its tokenizer. */
  fleet?: Fleet | undefined;
  resume: boolean;
  overwrite: boolean;
  /** Words of the command line, kept for a resumption that does not say them again. */
  words?: readonly string[] | undefined;
  signal?: AbortSignal | undefined;
  /** Hears of finished problems, those of a stopped run included. */
  onProgress?: ((done: number, total: number) => void) | undefined;
}

export const PARTIAL_FILE = "rollouts.partial.jsonl";

const ROWS_A_BATCH = 512;
/** About so many steps of a solution have continuations of their own. */
const STEPS = 4;

/**
 * Runs a rollout in a folder that no other run may write to meanwhile; it gets rollouts.jsonl, train.jsonl, eval.jsonl, steps.jsonl and
 * rollout_report.json. Throws InputError for options, data or a reward model that do not go together, and "run_finished" where one that is
 * finished is resumed; ArtifactError for a broken model, CapacityError `interrupted` on the signal.
 */
export async function runRollout(options: RolloutOptions): Promise<RolloutReport> {
  checkOptions(options);
  return withRunLock(options.outputDir, () => rollOut(options));
}

async function rollOut(options: RolloutOptions): Promise<RolloutReport> {
  refuseFinished(options);
  const loaded = await loadProblems(options.data, options.problems, options.seed);
  checkScorerName(options.scorer, loaded.problems);
  checkMonteCarlo(options, loaded.problems);
  const config = await loadConfig(options.modelDir);
  const tokenizer = await loadTokenizer(options.modelDir, config);
  const journal = await openRolloutJournal(join(options.outputDir, PARTIAL_FILE), await identity(options), options);
  const started = performance.now();
  const before = journal.finished.size;
  if (before < loaded.problems.length) {
    const { modelDir, processes, fleet } = options;
    const generator =
      fleet === undefined
        ? await openOnnxGenerator(modelDir, { ...(processes !== undefined && { processes }) })
        : fleetGenerator(fleet, tokenizer, config);
    try {
      await rollAll({ generator, tokenizer }, loaded, journal, options);
    } finally {
      await generator.dispose();
    }
  }
  const rollouts = loaded.problems.map((_, i) => journal.finished.get(i)).filter((rollout) => rollout !== undefined);
  const seconds = (performance.now() - started) / 1000;
  const report = await writeRollouts(rollouts, options, { seconds, resumed: before, dropped: loaded.dropped });
  await journal.remove();
  return report;
}

/** Samples, scores and labels every problem that is not in the journal. */
async function rollAll(
  policy: Policy,
  { problems }: LoadedProblems,
  journal: RolloutJournal,
  options: RolloutOptions,
): Promise<void> {
  const { rewardModelDir, scorer, samples, monteCarlo, onProgress } = options;
  const open = problems.map((_, i) => i).filter((i) => !journal.finished.has(i));
  const perBatch =
    options.problemsABatch ?? Math.max(1, Math.floor(ROWS_A_BATCH / (samples * (1 + STEPS * monteCarlo))));
  const asks = scorer === "judge" || scorer === "both";
  const here =
    asks && rewardModelDir !== undefined
      ? await loadScorer(rewardModelDir, scoringProcesses(open.length * samples), { aggregation: options.aggregation })
      : undefined;
  const { fleet, aggregation } = options;
  const there = asks && here === undefined && fleet !== undefined ? fleetScorer(fleet, aggregation) : undefined;
  const rewardModel: RewardScorer | undefined = here ?? there;
  try {
    onProgress?.(journal.finished.size, problems.length);
    for (let start = 0; start < open.length; start += perBatch) {
      const indices = open.slice(start, start + perBatch);
      const batch = indices.flatMap((i) => problems[i] ?? []);
      const done = await rollBatch(policy, batch, { options, streams: indices, rewardModel }).catch(
        (error: unknown) => {
          throw asInterrupted(error, journal.finished.size, problems.length);
        },
      );
      await journal.append(done.map((rollout, i) => [indices[i] ?? 0, rollout] as const));
      onProgress?.(journal.finished.size, problems.length);
    }
  } finally {
    here?.dispose();
  }
}

async function rollBatch(
  policy: Policy,
  problems: readonly RolloutProblem[],
  batch: { options: RolloutOptions; streams: readonly number[]; rewardModel: RewardScorer | undefined },
): Promise<Rollout[]> {
  const { options, streams, rewardModel } = batch;
  const { scorer, aggregation, samples, sampling, maxNewTokens, seed, batchSize, signal } = options;
  const shared = { sampling, maxNewTokens, seed, batchSize, streams, signal };
  const { search = "none", searchExpand: expand = 4, searchThreshold: threshold } = options;
  const sampled =
    search === "none"
      ? await sampleRollouts(policy, problems, { ...shared, samples })
      : await searchRollouts(policy, problems, rewardModel ?? checkerReward(problems), {
          ...shared,
          search,
          samples,
          expand,
          threshold,
        });
  let rollouts = await scoreRollouts(sampled, { scorer, aggregation, rewardModel });
  if (options.pairs.includes("step") && options.resample > 0) {
    rollouts = await branchRollouts(policy, rollouts, { ...shared, samples: options.resample, scorer, rewardModel });
  }
  if (options.monteCarlo > 0) {
    rollouts = await monteCarloLabels(policy, rollouts, { ...shared, continuations: options.monteCarlo });
  }
  return rollouts;
}

function checkOptions(options: RolloutOptions): void {
  const { samples, problems, scorer, rewardModelDir, fleet, labels, monteCarlo } = options;
  const refuse = (where: string, what: string, fix: string): never => {
    throw new InputError({ code: "bad_rollout_options", what, where, fix });
  };
  if (!Number.isInteger(problems) || problems < 1)
    refuse("--problems", `cannot solve ${problems} problems`, "Ask for at least 1.");
  if (!Number.isInteger(samples) || samples < 2) {
    const fix = "Ask for at least 2 samples a problem, better 8.";
    refuse("--samples", `${samples} samples a problem cannot make a pair`, fix);
  }
  if ((scorer === "judge" || scorer === "both") && rewardModelDir === undefined && fleet === undefined)
    refuse("--scorer", `scorer "${scorer}" needs a reward model`, "Name one with --reward-model.");
  if ((options.search ?? "none") !== "none" && scorer === "outcome")
    refuse("--search", "outcomes alone say nothing of a solution that is only begun", "Use --scorer checker or judge.");
  if (labels !== "checker" && monteCarlo === 0) {
    const fix = "Ask for continuations with --monte-carlo, such as 8.";
    refuse("--labels", `${labels} labels come from Monte Carlo continuations`, fix);
  }
}

function refuseFinished({ outputDir, resume }: RolloutOptions): void {
  if (!resume || existsSync(join(outputDir, PARTIAL_FILE)) || !existsSync(join(outputDir, REPORT_FILE))) return;
  throw new InputError({
    code: "run_finished",
    what: "nothing to resume: the rollout is finished",
    where: join(outputDir, REPORT_FILE),
    fix: "Start anew without --resume.",
  });
}

function checkMonteCarlo({ monteCarlo }: RolloutOptions, problems: readonly RolloutProblem[]): void {
  if (monteCarlo === 0 || problems.some(({ gold, answer }) => (gold ?? answer) !== undefined)) return;
  throw new InputError({
    code: "no_answers",
    what: "no problem has a known answer that continuations could reach",
    where: "--monte-carlo",
    fix: "Give data with answers, or leave --monte-carlo out.",
  });
}

/** Everything that decides what is sampled and how it is scored; not what is made of it afterwards. */
async function identity(options: RolloutOptions): Promise<RunIdentity> {
  const { data, problems, samples, seed, maxNewTokens, scorer, aggregation, monteCarlo, rewardModelDir, fleet } =
    options;
  const asks = (scorer === "judge" || scorer === "both") && rewardModelDir !== undefined;
  return {
    model_sha256: fleet?.policy ?? (await hashModel(options.modelDir)),
    reward_model: asks ? await rewardModelKey(rewardModelDir) : (fleet?.rewardModel ?? null),
    data,
    problems,
    samples,
    seed,
    temperature: options.sampling.temperature,
    top_k: options.sampling.topK,
    top_p: options.sampling.topP,
    max_new_tokens: maxNewTokens,
    scorer,
    aggregation,
    resample: options.pairs.includes("step") ? options.resample : 0,
    monte_carlo: monteCarlo,
    search: searchIdentity(options),
  };
}

function searchIdentity({ search = "none", searchExpand = 4, searchThreshold = RIGHT_SCORE }: RolloutOptions): string {
  if (search === "none") return search;
  return `${search} ${searchExpand}${search === "step-retry" ? ` ${searchThreshold}` : ""}`;
}

function asInterrupted(error: unknown, done: number, total: number): unknown {
  if (!(error instanceof StepwiseError) || error.code !== "interrupted") return error;
  const what = `stopped with ${done} of ${total} problems done and kept`;
  return new CapacityError({ code: "interrupted", what, fix: "Run the same command with --resume to continue." });
}
