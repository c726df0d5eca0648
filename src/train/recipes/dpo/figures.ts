// What is summed over pairs for the metrics, in training and in evaluation. Sums, not means: micro-batches and steps just add up.

import { z } from "zod";

const NAMES = [
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
] as const;

export const figuresSchema = z.record(z.enum(NAMES), z.number());

/** Sums over pairs; divide by `pairs` (or the count named beside) for means. */
export type PairFigures = z.infer<typeof figuresSchema>;

export const NO_FIGURES: PairFigures = figuresSchema.parse(Object.fromEntries(NAMES.map((name) => [name, 0])));

export function addFigures(a: PairFigures, b: PairFigures): PairFigures {
  const total = { ...a };
  for (const name of NAMES) total[name] += b[name];
  return total;
}

export function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
