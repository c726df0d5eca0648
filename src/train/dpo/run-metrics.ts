// Sums over pairs to the metrics that are logged, under the field's names (TRL). `scores/*` are the reward model's aggregates;
// `rewards/*` (implicit rewards) exist only with a reference model, which the published loss does not have.

import type { PairFigures } from "./train-step.ts";

/** Means over the figures' pairs, each name prefixed. */
export function runMetrics(figures: PairFigures, prefix = ""): Record<string, number> {
  const mean = (sum: number): number => sum / figures.pairs;
  const values = {
    loss: mean(figures.loss),
    "logps/chosen": mean(figures.chosenLogps),
    "logps/rejected": mean(figures.rejectedLogps),
    "logps/margins": mean(figures.chosenLogps - figures.rejectedLogps),
    "logps/accuracies": mean(figures.preferred),
    "scores/chosen": mean(figures.chosenScores),
    "scores/rejected": mean(figures.rejectedScores),
    "scores/margins": mean(figures.chosenScores - figures.rejectedScores),
  };
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}${name}`, value]));
}
