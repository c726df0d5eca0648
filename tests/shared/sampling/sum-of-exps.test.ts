// Sums by hand, and JavaScript's own exponential.

import fc from "fast-check";
import { expect, test } from "vitest";
import { sumOfExps } from "../../../src/shared/sampling/sum-of-exps.ts";
import { logSumExp } from "../../../src/shared/sampling.ts";

test("of logarithms it is the sum of the numbers", () => {
  // 1 + 2 + ... + 1000 = 500,500
  const logs = Float64Array.from({ length: 1000 }, (_, i) => Math.log(i + 1));
  expect(sumOfExps(logs, Math.log(1000)) / 500.5 - 1).toBeCloseTo(0, 12);
  expect(logSumExp(logs)).toBeCloseTo(Math.log(500_500), 12);
});

test("what is far below the top counts as nothing, what is no number makes the sum none", () => {
  expect(sumOfExps([3, -997, Number.NEGATIVE_INFINITY], 3)).toBe(1);
  expect(sumOfExps([0, Number.NaN], 0)).toBeNaN();
  expect(logSumExp([Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY])).toBeNaN();
});

test("it is the sum of Math.exp within 1e-12 of it", () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: -60, max: 60, noNaN: true }), { minLength: 1, maxLength: 200 }), (values) => {
      const top = Math.max(...values);
      const exact = values.reduce((sum, value) => sum + Math.exp(value - top), 0);
      expect(Math.abs(sumOfExps(values, top) / exact - 1)).toBeLessThan(1e-12);
    }),
    { seed: 7 },
  );
});
