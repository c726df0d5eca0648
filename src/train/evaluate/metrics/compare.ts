// Model minus baseline, figure by figure, by paired bootstrap: both solved the same problems.

import type { ComparisonRow } from "../result.ts";
import { type Column, columnMean, hasObservations, type Resampler } from "./bootstrap.ts";

/** One row a figure that both have observations of. */
export function compareColumns(
  model: Readonly<Record<string, Column>>,
  baseline: Readonly<Record<string, Column>>,
  resampler: Resampler,
): ComparisonRow[] {
  return Object.entries(model).flatMap(([metric, own]) => {
    const other = baseline[metric];
    if (other === undefined || !hasObservations(own) || !hasObservations(other)) return [];
    const difference = resampler.difference(own, other);
    return [
      {
        metric,
        baseline: columnMean(other),
        model: columnMean(own),
        difference,
        excludes_zero: difference.low > 0 || difference.high < 0,
      },
    ];
  });
}
