// Intervals that count seeds as well as problems: a figure measured with a few seeds, each with its own samples and its own training, on
// the same problems. Two ways, since either alone misleads with three seeds:
//   t-interval over the seeds' means (the problems are fixed, what varies is the run)
//   hierarchical bootstrap: seeds are drawn with replacement, and problems once for all of them (both vary)

import { createRng } from "../../../shared/rng.ts";
import type { Interval } from "../result.ts";
import { type Column, columnMean, quantile } from "./bootstrap.ts";

/** 97.5 % quantiles of Student's t for 1 to 30 degrees of freedom (scipy.stats.t.ppf(0.975, df)). */
const T_975 = [
  12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.306, 2.2622, 2.2281, 2.201, 2.1788, 2.1604, 2.1448, 2.1314,
  2.1199, 2.1098, 2.1009, 2.093, 2.086, 2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423,
];

/** The 97.5 % quantile of Student's t; beyond 30 degrees of freedom by its expansion about the normal quantile, good to 1e-4. */
export function tQuantile(degrees: number): number {
  const z = 1.959964;
  return (
    T_975[degrees - 1] ?? z + (z ** 3 + z) / (4 * degrees) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * degrees ** 2)
  );
}

/** Mean of the seeds' values with its 95 % t-interval; of one seed the ends are NaN: nothing is known of how seeds differ. */
export function seedInterval(values: readonly number[]): Interval {
  const n = values.length;
  const value = values.reduce((sum, one) => sum + one, 0) / n;
  if (n < 2) return { value, low: Number.NaN, high: Number.NaN };
  const variance = values.reduce((sum, one) => sum + (one - value) ** 2, 0) / (n - 1);
  const half = tQuantile(n - 1) * Math.sqrt(variance / n);
  return { value, low: value - half, high: value + half };
}

export interface SeedBootstrapOptions {
  /** Default 2000. */
  resamples?: number;
  /** Default 42. */
  seed?: number;
}

/**
 * 95 % interval of the mean difference `a` minus `b`, each a column a seed over the same problems; `b` may have one column, a model that
 * has no seeds. Seeds of both sides are drawn together where both have them: equal seeds shared their samples.
 */
export function seedBootstrap(
  a: readonly Column[],
  b: readonly Column[],
  options: SeedBootstrapOptions = {},
): Interval {
  const { resamples = 2000, seed = 42 } = options;
  const units = a[0]?.sums.length ?? 0;
  const rng = createRng(seed);
  const difference = (s: number, weights?: Uint16Array): number => {
    const own = a[s];
    const other = b.length === 1 ? b[0] : b[s];
    if (own === undefined || other === undefined) return Number.NaN;
    return columnMean(own, weights) - columnMean(other, weights);
  };
  const meanOver = (seeds: readonly number[], weights?: Uint16Array): number =>
    seeds.reduce((sum, s) => sum + difference(s, weights), 0) / seeds.length;
  const all = a.map((_, s) => s);
  const drawn = Float64Array.from({ length: resamples }, () => {
    const weights = new Uint16Array(units);
    for (let i = 0; i < units; i++) {
      const unit = rng.int(0, units);
      weights[unit] = (weights[unit] ?? 0) + 1;
    }
    return meanOver(
      all.map(() => rng.int(0, all.length)),
      weights,
    );
  }).sort();
  return { value: meanOver(all), low: quantile(drawn, 0.025), high: quantile(drawn, 0.975) };
}

/** The wider of two intervals about the same value, end by end; NaN ends give way. */
export function widest(one: Interval, other: Interval): Interval {
  const low = Number.isNaN(one.low) ? other.low : Math.min(one.low, other.low);
  const high = Number.isNaN(one.high) ? other.high : Math.max(one.high, other.high);
  return { value: one.value, low, high };
}
