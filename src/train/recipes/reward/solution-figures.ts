// What is summed over solutions while a reward model trains, and the means that are logged of it.

import { sumsOf } from "../run/sums.ts";

const sums = sumsOf([
  "solutions",
  "tokens",
  /** Steps with a label, and the loss of their answers. */
  "steps",
  "loss",
  /** Labelled steps on whose right side of 0.5 the score lies. */
  "correct",
  "answeredTokens",
  "tokenLoss",
  "lmTokens",
  "lmLoss",
  "comparedTokens",
  "comparisonLoss",
] as const);

export const solutionFiguresSchema = sums.schema;

/** Sums; divide by `steps`, `answeredTokens`, `lmTokens` or `comparedTokens` for means. */
export type SolutionFigures = typeof sums.none;

export const { none: NO_SOLUTIONS, add: addSolutionFigures } = sums;

/** Means, each loss by the count of its own. */
export function solutionMetrics(
  figures: SolutionFigures,
  { lmWeight, tokenWeight }: { lmWeight: number; tokenWeight: number },
): Record<string, number> {
  return {
    loss: figures.loss / figures.steps,
    accuracy: figures.correct / figures.steps,
    ...(tokenWeight > 0 && { token_loss: figures.tokenLoss / Math.max(1, figures.answeredTokens) }),
    ...(figures.comparedTokens > 0 && { comparison_loss: figures.comparisonLoss / figures.comparedTokens }),
    ...(lmWeight > 0 && { lm_loss: figures.lmLoss / Math.max(1, figures.lmTokens) }),
  };
}
