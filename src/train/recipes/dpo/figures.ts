// What is summed over pairs for the metrics, in training and in evaluation. Sums, not means: micro-batches and steps just add up.

import { sumsOf } from "../run/sums.ts";

const sums = sumsOf([
  "pairs",
  "tokens",
  "loss",
  "chosenLogps",
  /** Pairs whose rejected side was computed: none while training on the chosen side alone. */
  "compared",
  "rejectedLogps",
  /** Compared pairs whose chosen side is likelier. */
  "preferred",
  "logpMargins",
  /** Pairs that have scores. */
  "scored",
  "chosenScores",
  "rejectedScores",
  /** Pairs with log-probs of the reference. */
  "referenced",
  "chosenRewards",
  "rejectedRewards",
  /** Referenced pairs whose chosen side has the higher implicit reward. */
  "rewardsPreferred",
  /** Pairs with an SFT term, and its sum. */
  "withNll",
  "nll",
] as const);

export const figuresSchema = sums.schema;

/** Sums over pairs; divide by `pairs` (or the count named beside) for means. */
export type PairFigures = typeof sums.none;

export const { none: NO_FIGURES, add: addFigures } = sums;

export function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
