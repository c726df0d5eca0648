// The loss of the process reward model: binary cross-entropy of every labelled step's answer, and beside it the language-model loss of
// the right steps' tokens (Yang et al. 2024, arXiv:2406.10216: a text-generation loss keeps what the hidden states know). One bit a
// step teaches a small model too little of the arithmetic that the verdict rests on; the digits of right steps do teach it. That loss is
// read half-way up the decoder: what ought to be written is known there, and the layers above can compare it with what is.

import type { SolutionTokens } from "../../shared/process-reward.ts";
import type { T5Config } from "../../shared/t5-config.ts";
import { gatherRows, labelLogps } from "../model/gradients.ts";
import type { Parameters } from "../model/parameters.ts";
import { head } from "../model/t5.ts";
import { addGradients, valueAndGradients } from "../optim/gradients.ts";
import { type Tensor, type Tensor1D, tf } from "../tensorflow.ts";
import type { StepLabel } from "./labelled-solution.ts";
import { type AnswerIds, answerLogits, decodeSolutions } from "./step-end-logits.ts";

/** A solution ready for the loss. */
export interface LabelledTokens extends SolutionTokens {
  /** One a step. */
  labels: readonly StepLabel[];
}

/** Sums; divide by `steps` (those with a label) or `lmTokens` for means. */
export interface SolutionFigures {
  solutions: number;
  tokens: number;
  steps: number;
  loss: number;
  /** Labelled steps on whose right side of 0.5 the score lies. */
  correct: number;
  lmTokens: number;
  lmLoss: number;
}

export const NO_SOLUTIONS: SolutionFigures = {
  solutions: 0,
  tokens: 0,
  steps: 0,
  loss: 0,
  correct: 0,
  lmTokens: 0,
  lmLoss: 0,
};

export function addSolutionFigures(a: SolutionFigures, b: SolutionFigures): SolutionFigures {
  return {
    solutions: a.solutions + b.solutions,
    tokens: a.tokens + b.tokens,
    steps: a.steps + b.steps,
    loss: a.loss + b.loss,
    correct: a.correct + b.correct,
    lmTokens: a.lmTokens + b.lmTokens,
    lmLoss: a.lmLoss + b.lmLoss,
  };
}

export interface SolutionLossOptions {
  answers: AnswerIds;
  /** Weight of the language-model loss; 0 leaves it out. */
  lmWeight: number;
  /** What the sums are divided by; default: the counts of the given batches. Parts of a batch are given those of the whole. */
  of?: LossCounts;
}

/** Labelled steps and predicted tokens. */
export interface LossCounts {
  steps: number;
  tokens: number;
}

/** The counts of a whole batch. */
export function lossCounts(solutions: readonly LabelledTokens[]): LossCounts {
  return { steps: labelledEnds(solutions, 0).labels.length, tokens: rightTokens(solutions, 0).next.length };
}

/** Sum of softplus(x) - y x = -y log s(x) - (1 - y) log(1 - s(x)) over N logits; labels y in [0, 1]. */
export function binaryCrossEntropySum(logits: Tensor1D, labels: readonly number[]): Tensor {
  return tf.sum(tf.sub(tf.softplus(logits), tf.mul(logits, tf.tensor1d([...labels]))));
}

/** Where labelled steps end, and their labels, in the flat [C*T]. */
export function labelledEnds(
  solutions: readonly LabelledTokens[],
  length: number,
): { positions: number[]; labels: number[] } {
  const positions: number[] = [];
  const labels: number[] = [];
  solutions.forEach((solution, row) => {
    solution.labels.forEach((label, step) => {
      const end = solution.stepEnds[step];
      if (label === undefined || end === undefined) return;
      positions.push(row * length + end);
      labels.push(label);
    });
  });
  return { positions, labels };
}

/**
 * Positions that predict a token of a step that is right, and so are all steps before it; `next` are those tokens. The ends of steps
 * predict nothing here: they answer.
 */
export function rightTokens(
  solutions: readonly LabelledTokens[],
  length: number,
): { positions: number[]; next: number[] } {
  const positions: number[] = [];
  const next: number[] = [];
  solutions.forEach(({ decoderIds, stepEnds, labels }, row) => {
    let start = 0;
    for (const [step, end] of stepEnds.entries()) {
      if ((labels[step] ?? 0) < 0.5) break;
      for (let t = start; t < end; t++) {
        if (step > 0 && t === start) continue;
        positions.push(row * length + t);
        next.push(decoderIds[t + 1] ?? 0);
      }
      start = end;
    }
  });
  return { positions, next };
}

/** Decoder layers below which the next token must be known. */
function lmLayers({ numDecoderLayers }: T5Config): number {
  return Math.ceil(numDecoderLayers / 2);
}

/** The loss of a micro-batch, its sums weighed by the whole step's counts, and its figures. */
function solutionLoss(
  p: Parameters,
  config: T5Config,
  solutions: readonly LabelledTokens[],
  options: SolutionLossOptions & { of: LossCounts },
): { loss: Tensor; figures: SolutionFigures } {
  const withLm = options.lmWeight > 0;
  const { hidden, early, length } = decodeSolutions(p, config, solutions, withLm ? lmLayers(config) : undefined);
  const { positions, labels } = labelledEnds(solutions, length);
  const logits = answerLogits(p, hidden, positions, options.answers);
  const answerLoss = binaryCrossEntropySum(logits, labels);
  const lm = withLm ? rightTokens(solutions, length) : { positions: [], next: [] };
  const lmLoss =
    early === undefined || lm.positions.length === 0
      ? undefined
      : tf.neg(
          tf.sum(
            labelLogps(gatherRows(early, tf.tensor1d(lm.positions, "int32")), head(p), tf.tensor1d(lm.next, "int32")),
          ),
        );
  const mean = tf.div(answerLoss, options.of.steps);
  const odds = logits.dataSync();
  return {
    loss: lmLoss === undefined ? mean : tf.add(mean, tf.mul(lmLoss, options.lmWeight / options.of.tokens)),
    figures: {
      solutions: solutions.length,
      tokens: solutions.reduce((sum, { promptIds, decoderIds }) => sum + promptIds.length + decoderIds.length, 0),
      steps: labels.length,
      loss: answerLoss.dataSync()[0] ?? Number.NaN,
      correct: labels.filter((label, i) => label >= 0.5 === (odds[i] ?? Number.NaN) >= 0).length,
      lmTokens: lm.positions.length,
      lmLoss: lmLoss?.dataSync()[0] ?? 0,
    },
  };
}

/** Gradients of the mean loss over all micro-batches, and the figures. The caller disposes the gradients. */
export function solutionGradients(
  p: Parameters,
  config: T5Config,
  microBatches: readonly (readonly LabelledTokens[])[],
  options: SolutionLossOptions,
): { gradients: Record<string, Tensor>; figures: SolutionFigures } {
  const of = options.of ?? lossCounts(microBatches.flat());
  let figures = NO_SOLUTIONS;
  let gradients: Record<string, Tensor> | undefined;
  for (const batch of microBatches) {
    const result = valueAndGradients((parameters) => {
      const { loss, figures: own } = solutionLoss(parameters, config, batch, { ...options, of });
      figures = addSolutionFigures(figures, own);
      return loss;
    }, p);
    result.value.dispose();
    gradients = addGradients(gradients, result.gradients);
  }
  return { gradients: gradients ?? {}, figures };
}
