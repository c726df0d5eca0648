// 95 % intervals by the percentile bootstrap (Efron and Tibshirani 1993, chapter 13), over problems: all pairs, samples and steps of a
// problem are drawn together, since they are not independent. The same draws serve every figure, so that differences are paired.

import { createRng } from "../../../shared/rng.ts";
import type { Interval } from "../result.ts";

/** A figure's sum and number of observations in each unit (problem); a unit without observations has 0 and 0. */
export interface Column {
  sums: number[];
  counts: number[];
}

/** How often each unit counts: all ones for the data as they are, drawn with replacement in a resample. */
export type Weights = ArrayLike<number>;

export interface Resampler {
  /** A statistic and its interval; resamples in which it is NaN are left out. */
  interval(statistic: (weights: Weights) => number): Interval;
  /** Mean of all observations of a column. */
  mean(column: Column): Interval;
  /** Mean of `a` minus mean of `b`, on the same draws. */
  difference(a: Column, b: Column): Interval;
}

export interface BootstrapOptions {
  /** Default 1000. */
  resamples?: number;
  /** Default 0.95. */
  level?: number;
  /** Default 42. */
  seed?: number;
}

/** A column with one observation a unit; null where a unit has none. */
export function columnOf(values: readonly (number | boolean | null)[]): Column {
  return {
    sums: values.map((value) => Number(value ?? 0)),
    counts: values.map((value) => (value === null ? 0 : 1)),
  };
}

/** A column of all observations, `units[i]` being the unit of `values[i]`. */
export function groupedColumn(units: readonly number[], values: readonly (number | boolean)[], size: number): Column {
  const column: Column = { sums: new Array<number>(size).fill(0), counts: new Array<number>(size).fill(0) };
  values.forEach((value, i) => {
    const unit = units[i] ?? 0;
    column.sums[unit] = (column.sums[unit] ?? 0) + Number(value);
    column.counts[unit] = (column.counts[unit] ?? 0) + 1;
  });
  return column;
}

/** Mean of a column's observations; NaN when there are none. */
export function columnMean({ sums, counts }: Column, weights?: Weights): number {
  let sum = 0;
  let count = 0;
  for (let unit = 0; unit < sums.length; unit++) {
    const weight = weights === undefined ? 1 : (weights[unit] ?? 0);
    sum += weight * (sums[unit] ?? 0);
    count += weight * (counts[unit] ?? 0);
  }
  return sum / count;
}

/** Whether a column has any observation. */
export function hasObservations({ counts }: Column): boolean {
  return counts.some((count) => count > 0);
}

/** Quantile q of ascending values, linear between the two nearest (numpy's default). */
export function quantile(ascending: ArrayLike<number>, q: number): number {
  const at = q * (ascending.length - 1);
  const low = ascending[Math.floor(at)] ?? Number.NaN;
  const high = ascending[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

/** Draws the resamples of `units` units once; the same seed gives the same intervals. */
export function createResampler(units: number, options: BootstrapOptions = {}): Resampler {
  const { resamples = 1000, level = 0.95, seed = 42 } = options;
  const rng = createRng(seed);
  const draws = Array.from({ length: resamples }, () => {
    const weights = new Uint16Array(units);
    for (let i = 0; i < units; i++) {
      const unit = rng.int(0, units);
      weights[unit] = (weights[unit] ?? 0) + 1;
    }
    return weights;
  });
  const interval: Resampler["interval"] = (statistic) => {
    const value = statistic(new Uint16Array(units).fill(1));
    const values = Float64Array.from(draws.map(statistic).filter((drawn) => !Number.isNaN(drawn))).sort();
    if (values.length === 0) return { value, low: value, high: value };
    return { value, low: quantile(values, (1 - level) / 2), high: quantile(values, (1 + level) / 2) };
  };
  return {
    interval,
    mean: (column) => interval((weights) => columnMean(column, weights)),
    difference: (a, b) => interval((weights) => columnMean(a, weights) - columnMean(b, weights)),
  };
}
