// One optimizer step of stepwise DPO: log-probabilities of both sides (the prompt is encoded once), loss, gradients over the
// micro-batches, clipping, update.

import type { T5Config } from "../../shared/t5-config.ts";
import { stepwiseDpoLoss } from "../loss/stepwise.ts";
import { padRows } from "../model/batch.ts";
import { completionLogps } from "../model/logps.ts";
import type { Parameters } from "../model/parameters.ts";
import type { AdamW } from "../optim/adamw.ts";
import { addGradients, clipByGlobalNorm, valueAndGradients } from "../optim/gradients.ts";
import { type Tensor, type Tensor1D, tf } from "../tensorflow.ts";
import type { TokenizedPair } from "./prepare-pairs.ts";

/** A pair ready for the loss: its scores, and the margin that its mode made of them. */
export interface ScoredPair extends TokenizedPair {
  chosenScore: number;
  rejectedScore: number;
  margin: number;
}

/** Sums over pairs; divide by `pairs` for means. */
export interface PairFigures {
  pairs: number;
  tokens: number;
  loss: number;
  chosenLogps: number;
  rejectedLogps: number;
  preferred: number;
  chosenScores: number;
  rejectedScores: number;
}

export const NO_FIGURES: PairFigures = {
  pairs: 0,
  tokens: 0,
  loss: 0,
  chosenLogps: 0,
  rejectedLogps: 0,
  preferred: 0,
  chosenScores: 0,
  rejectedScores: 0,
};

export function addFigures(a: PairFigures, b: PairFigures): PairFigures {
  return {
    pairs: a.pairs + b.pairs,
    tokens: a.tokens + b.tokens,
    loss: a.loss + b.loss,
    chosenLogps: a.chosenLogps + b.chosenLogps,
    rejectedLogps: a.rejectedLogps + b.rejectedLogps,
    preferred: a.preferred + b.preferred,
    chosenScores: a.chosenScores + b.chosenScores,
    rejectedScores: a.rejectedScores + b.rejectedScores,
  };
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

/** Loss of a micro-batch as a mean over `of` pairs, and the figures of its pairs. */
function pairLoss(
  p: Parameters,
  config: T5Config,
  pairs: readonly ScoredPair[],
  options: { beta: number; of: number },
): { loss: Tensor; figures: PairFigures } {
  const count = pairs.length;
  const prompts = padRows(
    pairs.map((pair) => pair.promptIds),
    config.padTokenId,
  );
  const labels = [...pairs.map((pair) => pair.chosenIds), ...pairs.map((pair) => pair.rejectedIds)];
  const { sequenceLogps } = completionLogps(p, config, prompts, labels);
  const chosen = tf.slice(sequenceLogps, 0, count) as Tensor1D;
  const rejected = tf.slice(sequenceLogps, count, count) as Tensor1D;
  const margins = tf.tensor1d(pairs.map((pair) => options.beta * pair.margin));
  const mean = stepwiseDpoLoss(chosen, rejected, margins);
  const logps = sequenceLogps.dataSync();
  const chosenLogps = logps.slice(0, count);
  const rejectedLogps = logps.slice(count);
  return {
    loss: tf.mul(mean, count / options.of),
    figures: {
      pairs: count,
      tokens: sum(pairs.map((pair) => pair.promptIds.length)) + sum(labels.map((row) => row.length)),
      loss: (mean.dataSync()[0] ?? Number.NaN) * count,
      chosenLogps: sum(chosenLogps),
      rejectedLogps: sum(rejectedLogps),
      preferred: chosenLogps.filter((value, i) => value > (rejectedLogps[i] ?? 0)).length,
      chosenScores: sum(pairs.map((pair) => pair.chosenScore)),
      rejectedScores: sum(pairs.map((pair) => pair.rejectedScore)),
    },
  };
}

/** Figures of pairs without training on them. */
export function evaluatePairs(
  p: Parameters,
  config: T5Config,
  pairs: readonly ScoredPair[],
  beta: number,
): PairFigures {
  let figures = NO_FIGURES;
  tf.tidy(() => {
    ({ figures } = pairLoss(p, config, pairs, { beta, of: pairs.length }));
  });
  return figures;
}

/** Gradients of the mean loss over all micro-batches (1 x 8 equals 8 x 1), and the figures. The caller disposes the gradients. */
export function stepGradients(
  p: Parameters,
  config: T5Config,
  microBatches: readonly (readonly ScoredPair[])[],
  beta: number,
): { gradients: Record<string, Tensor>; figures: PairFigures } {
  const of = sum(microBatches.map((batch) => batch.length));
  let figures = NO_FIGURES;
  let gradients: Record<string, Tensor> | undefined;
  for (const batch of microBatches) {
    const result = valueAndGradients((parameters) => {
      const { loss, figures: own } = pairLoss(parameters, config, batch, { beta, of });
      figures = addFigures(figures, own);
      return loss;
    }, p);
    result.value.dispose();
    gradients = addGradients(gradients, result.gradients);
  }
  return { gradients: gradients ?? {}, figures };
}

/** Clips and applies gradients (disposed here); returns the norm before clipping. */
export function applyGradients(
  optimizer: AdamW,
  gradients: Record<string, Tensor>,
  options: { maxGradNorm: number; learningRate: number },
): number {
  const norm = clipByGlobalNorm(gradients, options.maxGradNorm);
  optimizer.step(gradients, options.learningRate);
  tf.dispose(gradients);
  return norm;
}
