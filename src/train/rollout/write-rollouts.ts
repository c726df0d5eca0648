// The files of a finished rollout. Each is written whole or not at all; the report comes last.

import { createHash } from "node:crypto";
import { join } from "node:path";
import { normalisePrompt } from "../data/normalise-prompt.ts";
import { writeText } from "../data/write-text.ts";
import { mergePairs, type PairKind, pairsOfKind } from "./pair-kinds.ts";
import { type PairStats, pairStats, type SampleStats, sampleStats } from "./report.ts";
import type { Rollout } from "./rollout.ts";
import type { RolloutOptions } from "./run.ts";
import { stepRows } from "./step-rows.ts";

/** rollout_report.json. */
export interface RolloutReport {
  settings: Record<string, unknown>;
  samples: SampleStats;
  pairs: { train: number; eval: number; kinds: Partial<Record<PairKind, PairStats>> };
  step_rows: number;
  /** Records of the data file that were left out, by reason. */
  dropped: Record<string, number>;
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

/** Makes pairs and rows of the rollouts and writes everything to the output folder. Throws CapacityError for a full disk. */
export async function writeRollouts(
  rollouts: readonly Rollout[],
  options: RolloutOptions,
  run: { seconds: number; resumed: number; dropped: Record<string, number> },
): Promise<RolloutReport> {
  const { outputDir, evalFraction, signal: _s, onProgress: _p, resume: _r, overwrite: _o, ...settings } = options;
  const made = options.pairs.map((kind) => ({ kind, ...pairsOfKind(rollouts, kind, options) }));
  const pairs = mergePairs(made);
  const train = pairs.filter(({ prompt }) => !isEvalPrompt(prompt, evalFraction));
  const evaluation = pairs.filter(({ prompt }) => isEvalPrompt(prompt, evalFraction));
  const rows = stepRows(rollouts, options.labels);
  const report: RolloutReport = {
    settings: { ...settings, evalFraction },
    samples: sampleStats(rollouts),
    pairs: {
      train: train.length,
      eval: evaluation.length,
      kinds: Object.fromEntries(made.map((one) => [one.kind, pairStats(one)])),
    },
    step_rows: rows.length,
    ...run,
  };
  await writeText(join(outputDir, "rollouts.jsonl"), jsonLines(rollouts));
  await writeText(join(outputDir, "train.jsonl"), jsonLines(train));
  await writeText(join(outputDir, "eval.jsonl"), jsonLines(evaluation));
  await writeText(join(outputDir, "steps.jsonl"), jsonLines(rows));
  await writeText(join(outputDir, "rollout_report.json"), `${JSON.stringify(report, null, 2)}\n`);
  return report;
}
