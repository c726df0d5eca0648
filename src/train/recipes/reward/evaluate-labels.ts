// How well a reward model in training judges held-out solutions: loss, AUC and calibration over labelled steps, and ProcessBench's
// measure of finding the first wrong step. Batch by batch, so that Ctrl-C is heard between two batches.

import { setImmediate as turnOfEventLoop } from "node:timers/promises";
import { yesScore } from "../../../shared/prompts.ts";
import type { T5Config } from "../../../shared/t5-config.ts";
import { auc } from "../../evaluate/metrics/auc.ts";
import { expectedCalibrationError, reliabilityBins } from "../../evaluate/metrics/calibration.ts";
import { firstErrorMeasure, judgedSolution } from "../../evaluate/metrics/first-error.ts";
import type { Parameters } from "../../model/parameters.ts";
import { type AnswerIds, stepEndLogits } from "../../reward/process/step-end-logits.ts";
import { tf } from "../../tensorflow/tensorflow.ts";
import type { LabelledTokens } from "./solution-targets.ts";

const BATCH = 64;
/** A score below it calls a step wrong. */
const THRESHOLD = 0.5;

/** Step logits (yes minus no) of solutions, in their order. Throws the signal's reason when it is aborted. */
export async function scoreTokens(
  p: Parameters,
  config: T5Config,
  solutions: readonly LabelledTokens[],
  options: { answers: AnswerIds; signal?: AbortSignal | undefined },
): Promise<number[][]> {
  const logits: number[][] = solutions.map(() => []);
  const order = solutions.map((_, i) => i);
  const length = (i: number): number => solutions[i]?.decoderIds.length ?? 0;
  order.sort((a, b) => length(a) - length(b));
  for (let start = 0; start < order.length; start += BATCH) {
    await turnOfEventLoop();
    options.signal?.throwIfAborted();
    const indices = order.slice(start, start + BATCH);
    const batch = indices.flatMap((i) => solutions[i] ?? []);
    const flat = tf.tidy(() => stepEndLogits(p, config, batch, options.answers).dataSync());
    let n = 0;
    batch.forEach(({ stepEnds }, row) => {
      logits[indices[row] ?? 0] = [...flat.slice(n, n + stepEnds.length)];
      n += stepEnds.length;
    });
  }
  return logits;
}

/** Metrics of step logits against labels, under `eval_` names; what is not defined (a class missing) is left out. */
export function labelMetrics(
  solutions: readonly LabelledTokens[],
  logits: readonly (readonly number[])[],
): Record<string, number> {
  const steps = solutions.flatMap(({ labels }, i) =>
    labels.flatMap((label, s) => (label === undefined ? [] : [{ label, logit: logits[i]?.[s] ?? Number.NaN }])),
  );
  if (steps.length === 0) return {};
  const right = steps.map(({ label }) => label >= 0.5);
  const scores = steps.map(({ logit }) => yesScore(logit, 0));
  const loss = steps.reduce((sum, { label, logit }) => sum + softplus(logit) - label * logit, 0) / steps.length;
  const judged = solutions.flatMap(({ labels }, i) => {
    const firstWrong = labels.findIndex((label) => label !== undefined && label < 0.5);
    const known = firstWrong < 0 ? labels : labels.slice(0, firstWrong);
    if (known.includes(undefined)) return []; // the first wrong step may be one that nobody labelled
    const own = (logits[i] ?? []).map((logit) => yesScore(logit, 0));
    return [judgedSolution(own, firstWrong)];
  });
  const first = firstErrorMeasure(judged, THRESHOLD);
  const metrics = {
    eval_loss: loss,
    eval_auc: auc(scores, right),
    eval_accuracy: scores.filter((score, i) => score >= THRESHOLD === right[i]).length / scores.length,
    eval_ece: expectedCalibrationError(reliabilityBins(scores, right)),
    eval_first_error_f1: first.f1,
    eval_first_error_wrong: first.wrong_accuracy,
    eval_first_error_right: first.right_accuracy,
  };
  return Object.fromEntries(
    Object.entries(metrics).filter(([name, value]) => name === "eval_loss" || !Number.isNaN(value)),
  );
}

function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}
