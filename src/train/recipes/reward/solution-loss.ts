// The loss of the process reward model: binary cross-entropy of every labelled step's answer, and beside it the language-model loss of
// the right steps' tokens (Yang et al. 2024, arXiv:2406.10216: a text-generation loss keeps what the hidden states know). One bit a
// step teaches a small model too little of the arithmetic that the verdict rests on; the digits of right steps do teach it. That loss is
// read below the layers that the decoder has grown: what should be written is known there, and they compare it with what is.

import type { T5Config } from "../../../shared/t5-config.ts";
import { gatherRows, labelLogps } from "../../model/layers.ts";
import type { Parameters } from "../../model/parameters.ts";
import { head } from "../../model/t5.ts";
import { addGradients, valueAndGradients } from "../../optim/gradients.ts";
import { type AnswerIds, answerLogits, decodeSolutions } from "../../reward/process/step-end-logits.ts";
import { type Tensor, type Tensor2D, tf } from "../../tensorflow/tensorflow.ts";
import { binaryCrossEntropySum } from "./binary-cross-entropy.ts";
import { comparedTokens, comparisonLoss } from "./comparison-loss.ts";
import { addSolutionFigures, NO_SOLUTIONS, type SolutionFigures } from "./solution-figures.ts";
import { type LabelledTokens, labelledEnds, labelledTokens, nextTokens } from "./solution-targets.ts";

export interface SolutionLossOptions {
  answers: AnswerIds;
  /** Weight of the answers at the tokens within steps; 0 leaves them out. */
  tokenWeight: number;
  /** Weight of the language-model loss; 0 leaves it out. */
  lmWeight: number;
  /** Weight of the comparison's deep supervision, which needs a layer above `lmLayers`; 0 leaves it out. */
  comparisonWeight: number;
  /** Decoder layers above which the language-model loss is read. */
  lmLayers: number;
  /** What the sums are divided by; default: the counts of the given batches. Parts of a batch are given those of the whole. */
  of?: LossCounts;
}

/** Labelled steps, answered tokens within steps, predicted and compared tokens; at least 1 each. */
export interface LossCounts {
  steps: number;
  tokens: number;
  next: number;
  compared: number;
}

/** The counts of a whole batch. */
export function lossCounts(solutions: readonly LabelledTokens[], fromEnds: boolean): LossCounts {
  const atLeastOne = ({ positions }: { positions: readonly number[] }): number => Math.max(1, positions.length);
  return {
    steps: atLeastOne(labelledEnds(solutions, 0)),
    tokens: atLeastOne(labelledTokens(solutions, 0)),
    next: atLeastOne(nextTokens(solutions, 0, fromEnds)),
    compared: comparedTokens(solutions),
  };
}

/** Whether the ends of steps predict too: where the answers are read from other layers. */
export function endsPredict(
  { numDecoderLayers }: T5Config,
  { lmLayers }: Pick<SolutionLossOptions, "lmLayers">,
): boolean {
  return lmLayers < numDecoderLayers;
}

/** A loss beside that of the steps' answers: its sum over `count` places of the micro-batch, of which the whole optimizer step has `of`. */
interface Term {
  weight: number;
  sum: Tensor;
  count: number;
  of: number;
}

/** The loss of a micro-batch, its sums weighed by the whole step's counts, and its figures. */
function solutionLoss(
  p: Parameters,
  config: T5Config,
  solutions: readonly LabelledTokens[],
  options: SolutionLossOptions & { of: LossCounts },
): { loss: Tensor; figures: SolutionFigures } {
  const { answers, of, lmWeight, lmLayers, tokenWeight, comparisonWeight } = options;
  const compares = comparisonWeight > 0;
  const { hidden, states, length } = decodeSolutions(p, config, solutions, [
    ...(lmWeight > 0 || compares ? [lmLayers] : []),
    ...(compares ? [lmLayers + 1] : []),
  ]);
  const [below, above] = states;

  const ends = labelledEnds(solutions, length);
  const logits = answerLogits(p, hidden, ends.positions, answers);
  const stepLoss = binaryCrossEntropySum(logits, ends.labels);
  const tokens = termOf(tokenWeight, of.tokens, () => {
    const { positions, labels } = labelledTokens(solutions, length);
    const sum = (): Tensor => binaryCrossEntropySum(answerLogits(p, hidden, positions, answers), labels);
    return { count: labels.length, sum };
  });
  const lm =
    below &&
    termOf(lmWeight, of.next, () => {
      const places = nextTokens(solutions, length, endsPredict(config, options));
      return { count: places.next.length, sum: () => nextTokenLoss(p, below, places) };
    });
  const comparison =
    below &&
    above &&
    termOf(comparisonWeight, of.compared, () => ({
      count: comparedTokens(solutions),
      sum: () => comparisonLoss(p, solutions, { below, above, length }, answers),
    }));

  const beside = [tokens, lm, comparison].filter((term) => term !== undefined);
  const odds = logits.dataSync();
  return {
    loss: tf.addN([tf.div(stepLoss, of.steps), ...beside.map(({ weight, sum, of }) => tf.mul(sum, weight / of))]),
    figures: {
      solutions: solutions.length,
      tokens: solutions.reduce((sum, { promptIds, decoderIds }) => sum + promptIds.length + decoderIds.length, 0),
      steps: ends.labels.length,
      loss: scalarOf(stepLoss),
      correct: ends.labels.filter((label, i) => label >= 0.5 === (odds[i] ?? Number.NaN) >= 0).length,
      answeredTokens: tokens?.count ?? 0,
      tokenLoss: scalarOf(tokens?.sum),
      lmTokens: lm?.count ?? 0,
      lmLoss: scalarOf(lm?.sum),
      comparedTokens: comparison?.count ?? 0,
      comparisonLoss: scalarOf(comparison?.sum),
    },
  };
}

/** A term that weighs something and has places; what it sums is built for no other. */
function termOf(weight: number, of: number, build: () => { count: number; sum: () => Tensor }): Term | undefined {
  if (weight === 0) return undefined;
  const { count, sum } = build();
  return count === 0 ? undefined : { weight, sum: sum(), count, of };
}

function scalarOf(sum: Tensor | undefined): number {
  return sum === undefined ? 0 : (sum.dataSync()[0] ?? Number.NaN);
}

/** Negative log-likelihood, summed. */
function nextTokenLoss(
  p: Parameters,
  hidden: Tensor2D,
  { positions, next }: { positions: number[]; next: number[] },
): Tensor {
  const read = gatherRows(hidden, tf.tensor1d(positions, "int32"));
  return tf.neg(tf.sum(labelLogps(read, head(p), tf.tensor1d(next, "int32"))));
}

/** Gradients of the mean loss over all micro-batches, and the figures. The caller disposes the gradients. */
export function solutionGradients(
  p: Parameters,
  config: T5Config,
  microBatches: readonly (readonly LabelledTokens[])[],
  options: SolutionLossOptions,
): { gradients: Record<string, Tensor>; figures: SolutionFigures } {
  const of = options.of ?? lossCounts(microBatches.flat(), endsPredict(config, options));
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
