// Step scores to one score of a completion.

import { InputError } from "./errors.ts";

export const AGGREGATIONS = ["mean", "sum", "min", "prod", "last"] as const;
export type Aggregation = (typeof AGGREGATIONS)[number];

/** Aggregates step scores (each in [0, 1], in order). Throws InputError for an empty list or a value that is not finite. */
export function aggregateScores(stepScores: readonly number[], aggregation: Aggregation = "mean"): number {
  const last = stepScores.at(-1);
  if (last === undefined) {
    throw new InputError({
      code: "no_steps",
      what: "a completion without steps has no score",
      fix: "Write at least one line.",
    });
  }
  const bad = stepScores.findIndex((score) => !Number.isFinite(score));
  if (bad >= 0) {
    throw new InputError({
      code: "bad_step_score",
      what: `step score ${stepScores[bad]} is not finite`,
      where: `step ${bad}`,
    });
  }
  const sum = stepScores.reduce((total, score) => total + score, 0);
  switch (aggregation) {
    case "mean":
      return sum / stepScores.length;
    case "sum":
      return sum;
    case "min":
      return stepScores.reduce((least, score) => Math.min(least, score), Infinity);
    case "prod":
      return stepScores.reduce((product, score) => product * score, 1);
    case "last":
      return last;
  }
}
