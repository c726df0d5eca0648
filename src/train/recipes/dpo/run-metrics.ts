// Sums over pairs to the metrics that are logged, under the field's names (TRL). `scores/*` are the reward model's aggregates, where
// pairs have scores; `rewards/*` (implicit rewards) exist only with a reference model, which the published loss does not have.

import type { PairFigures } from "./figures.ts";

/** Means over the figures' pairs, each name prefixed. */
export function runMetrics(figures: PairFigures, prefix = ""): Record<string, number> {
  const { pairs, compared, scored, referenced, withNll } = figures;
  const values = {
    loss: figures.loss / pairs,
    ...(withNll > 0 && { nll_loss: figures.nll / withNll }),
    "logps/chosen": figures.chosenLogps / pairs,
    ...(compared > 0 && {
      "logps/rejected": figures.rejectedLogps / compared,
      "logps/margins": figures.logpMargins / compared,
      "logps/accuracies": figures.preferred / compared,
    }),
    ...(scored > 0 && {
      "scores/chosen": figures.chosenScores / scored,
      "scores/rejected": figures.rejectedScores / scored,
      "scores/margins": (figures.chosenScores - figures.rejectedScores) / scored,
    }),
    ...(referenced > 0 && {
      "rewards/chosen": figures.chosenRewards / referenced,
      "rewards/rejected": figures.rejectedRewards / referenced,
      "rewards/margins": (figures.chosenRewards - figures.rejectedRewards) / referenced,
      "rewards/accuracies": figures.rewardsPreferred / referenced,
    }),
  };
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}${name}`, value]));
}
