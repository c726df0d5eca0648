// Intervals over seeds: t quantiles and intervals against scipy, the bootstrap against sums by hand.

import { describe, expect, test } from "vitest";
import { columnOf } from "../../../src/train/evaluate/metrics/bootstrap.ts";
import { seedBootstrap, seedInterval, tQuantile, widest } from "../../../src/train/evaluate/metrics/seeds.ts";

test("t quantiles are scipy's, beyond 30 degrees too", () => {
  // scipy.stats.t.ppf(0.975, [1, 2, 9, 30, 31, 60, 1000])
  const expected: [number, number][] = [
    [1, 12.706204736174694],
    [2, 4.302652729749462],
    [9, 2.2621571627982053],
    [30, 2.0422724563012378],
    [31, 2.039513446396408],
    [60, 2.0002978220142604],
    [1000, 1.9623390808264074],
  ];
  for (const [degrees, quantile] of expected) expect(tQuantile(degrees)).toBeCloseTo(quantile, 3);
});

test("three seeds of 0.52, 0.63 and 0.48: mean 0.5433, half width 4.3027 * 0.0776745 / sqrt 3", () => {
  // scipy.stats.t.interval(0.95, 2, loc=mean, scale=sem([0.52, 0.63, 0.48])) = (0.3503, 0.7363)
  const { value, low, high } = seedInterval([0.52, 0.63, 0.48]);
  expect(value).toBeCloseTo(0.543333, 6);
  expect(low).toBeCloseTo(0.350379, 4);
  expect(high).toBeCloseTo(0.736288, 4);
});

test("one seed says nothing of how seeds differ", () => {
  expect(seedInterval([0.4])).toEqual({ value: 0.4, low: Number.NaN, high: Number.NaN });
});

describe("the bootstrap over seeds and problems", () => {
  const ones = columnOf(Array<number>(50).fill(1));
  const zeros = columnOf(Array<number>(50).fill(0));

  test("sees seeds that differ where all problems are alike: one of two seeds all right, the other all wrong", () => {
    // both seeds the first: 1/4, both the second: 1/4, one each: 1/2
    expect(seedBootstrap([ones, zeros], [zeros])).toEqual({ value: 0.5, low: 0, high: 1 });
  });

  test("is a point where neither seeds nor problems differ", () => {
    expect(seedBootstrap([ones, ones, ones], [zeros])).toEqual({ value: 1, low: 1, high: 1 });
  });

  test("is the binomial interval where only problems differ: 50 of 100 right, +-1.96 * 0.05", () => {
    const half = columnOf(Array.from({ length: 100 }, (_, i) => i % 2));
    const { value, low, high } = seedBootstrap([half, half], [columnOf(Array<number>(100).fill(0))]);
    expect(value).toBe(0.5);
    expect(low).toBeCloseTo(0.402, 1);
    expect(high).toBeCloseTo(0.598, 1);
    expect(high - low).toBeGreaterThan(0.17);
  });

  test("pairs seed with seed: what both sides share falls out", () => {
    const a = columnOf([1, 1, 0, 0]);
    const b = columnOf([1, 0, 0, 0]);
    const one = { ...seedBootstrap([a, b], [a, b]) };
    expect(one).toEqual({ value: 0, low: 0, high: 0 });
  });
});

test("the widest of two intervals reaches as far as either; ends that are not known give way", () => {
  expect(widest({ value: 1, low: 0.5, high: 1.2 }, { value: 1, low: 0.7, high: 1.4 })).toEqual({
    value: 1,
    low: 0.5,
    high: 1.4,
  });
  expect(widest({ value: 1, low: Number.NaN, high: Number.NaN }, { value: 1, low: 0.7, high: 1.4 })).toEqual({
    value: 1,
    low: 0.7,
    high: 1.4,
  });
});
