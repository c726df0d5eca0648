// The difference of two methods that were run with several seeds, with an interval that counts seeds as well as problems.

import { columnMean } from "../../evaluate/metrics/bootstrap.ts";
import { seedBootstrap, seedInterval, widest } from "../../evaluate/metrics/seeds.ts";
import type { Interval } from "../../evaluate/result.ts";
import type { Figures } from "./figures.ts";

type Figure = keyof Figures;

/** A method's figure minus another's (or the base's, which has no seeds), over seeds and problems: the wider of both intervals. */
export function seedDifference(
  own: readonly Figures[],
  other: readonly Figures[],
  figure: Figure = "exact_match",
): Interval {
  const seeds = other.length === 1 ? own.length : Math.min(own.length, other.length);
  const a = own.slice(0, seeds).map((figures) => figures[figure]);
  const b = other.slice(0, seeds).map((figures) => figures[figure]);
  const differences = a.map((column, s) => {
    const beside = b.length === 1 ? b[0] : b[s];
    return columnMean(column) - (beside === undefined ? Number.NaN : columnMean(beside));
  });
  return widest(seedInterval(differences), seedBootstrap(a, b));
}
