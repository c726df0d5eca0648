// The files of a finished rollout. Each is written whole or not at all; the report comes last.

import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Dropped } from "../../data/files/raw-record.ts";
import { normalisePrompt } from "../../data/pairs/normalise-prompt.ts";
import { countReasons } from "../../data/pairs/read-pairs.ts";
import { writeJson, writeText } from "../../io/write-text.ts";
import { mergePairs, type PairKind, pairsOfKind } from "./pair-kinds.ts";
import type { RolloutPair } from "./pairs.ts";
import { type PairStats, pairStats, type SampleStats, sampleStats } from "./report.ts";
import { RIGHT_SCORE, type Rollout } from "./rollout.ts";
import type { RolloutOptions } from "./run.ts";
import { stepRows } from "./step-rows.ts";

export const REPORT_FILE = "rollout_report.json";

/** What that file has. */
export interface RolloutReport {
  settings: Record<string, unknown>;
  samples: SampleStats;
  pairs: { train: number; eval: number; kinds: Partial<Record<PairKind, PairStats>> };
  step_rows: number;
  /** Records of the data file that were left out, by reason, and the first of them with their places. */
  dropped: Record<string, number>;
  dropped_records: Dropped[];
  /** Problems done by the stopped run that this one went on with. */
  resumed: number;
  /** Time of this run alone. */
  seconds: number;
}

/** Whether a prompt's pairs are kept for evaluation: the prompt alone decides, case and white space aside. */
export function isEvalPrompt(prompt: string, evalFraction: number): boolean {
  const hash = createHash("sha256").update(normalisePrompt(prompt)).digest();
  return hash.readUInt32BE(0) / 2 ** 32 < evalFraction;
}

const jsonLines = (rows: readonly unknown[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

const MAX_DROPPED_LISTED = 200;

/** What was asked for, under the names of the flags. */
function settingsOf(options: RolloutOptions): Record<string, unknown> {
  const { sampling } = options;
  return {
    model: options.modelDir,
    reward_model: options.rewardModelDir ?? null,
    scorer: options.scorer,
    aggregation: options.aggregation,
    data: options.data,
    problems: options.problems,
    samples: options.samples,
    search: options.search ?? "none",
    search_expand: options.searchExpand ?? 4,
    search_threshold: options.searchThreshold ?? RIGHT_SCORE,
    temperature: sampling.temperature,
    top_k: sampling.topK,
    top_p: sampling.topP,
    max_new_tokens: options.maxNewTokens,
    pairs: options.pairs,
    pair_scores: options.pairScores,
    max_pairs_per_problem: options.maxPairsPerProblem,
    require_right: options.requireRight,
    resample: options.resample,
    monte_carlo: options.monteCarlo,
    labels: options.labels,
    eval_fraction: options.evalFraction,
    seed: options.seed,
  };
}

/** A pair that the training run's reward model will score. */
export function withoutScores(pair: RolloutPair): RolloutPair {
  const { chosen_score: _c, rejected_score: _r, chosen_step_scores: _cs, rejected_step_scores: _rs, ...rest } = pair;
  return rest;
}

/** Makes pairs and rows of the rollouts and writes everything to the output folder. Throws CapacityError for a full disk. */
export async function writeRollouts(
  rollouts: readonly Rollout[],
  options: RolloutOptions,
  run: { seconds: number; resumed: number; dropped: readonly Dropped[] },
): Promise<RolloutReport> {
  const { outputDir, evalFraction } = options;
  const made = options.pairs.map((kind) => ({ kind, ...pairsOfKind(rollouts, kind, options) }));
  const pairs = mergePairs(made).map((pair) => (options.pairScores ? pair : withoutScores(pair)));
  const train = pairs.filter(({ prompt }) => !isEvalPrompt(prompt, evalFraction));
  const evaluation = pairs.filter(({ prompt }) => isEvalPrompt(prompt, evalFraction));
  const rows = stepRows(rollouts, options.labels);
  const report: RolloutReport = {
    settings: settingsOf(options),
    samples: sampleStats(rollouts),
    pairs: {
      train: train.length,
      eval: evaluation.length,
      kinds: Object.fromEntries(made.map((one) => [one.kind, pairStats(one)])),
    },
    step_rows: rows.length,
    dropped: countReasons(run.dropped),
    dropped_records: run.dropped.slice(0, MAX_DROPPED_LISTED),
    resumed: run.resumed,
    seconds: run.seconds,
  };
  await writeText(join(outputDir, "rollouts.jsonl"), jsonLines(rollouts));
  await writeText(join(outputDir, "train.jsonl"), jsonLines(train));
  await writeText(join(outputDir, "eval.jsonl"), jsonLines(evaluation));
  await writeText(join(outputDir, "steps.jsonl"), jsonLines(rows));
  await writeJson(join(outputDir, REPORT_FILE), report);
  return report;
}
