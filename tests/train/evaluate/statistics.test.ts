// Bootstrap, calibration, AUC, ProcessBench's measure, repetition: numbers derived by hand.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { auc, weightedAuc } from "../../../src/train/evaluate/metrics/auc.ts";
import {
  columnMean,
  columnOf,
  createResampler,
  groupedColumn,
  quantile,
} from "../../../src/train/evaluate/metrics/bootstrap.ts";
import { expectedCalibrationError, reliabilityBins } from "../../../src/train/evaluate/metrics/calibration.ts";
import {
  bestThreshold,
  firstErrorMeasure,
  harmonicMean,
  isJudgedRightly,
  judgedSolution,
} from "../../../src/train/evaluate/metrics/first-error.ts";
import { histogramOf, integerEdges, sharedEdges } from "../../../src/train/evaluate/metrics/histogram.ts";
import { repeatedLines, repeatedNgrams } from "../../../src/train/evaluate/metrics/repetition.ts";

describe("bootstrap", () => {
  test("quantiles lie between the two nearest values, as numpy's", () => {
    expect(quantile([1, 2, 3, 4], 0.5)).toBe(2.5);
    expect(quantile([1, 2, 3, 4], 0.25)).toBe(1.75);
    expect(quantile([7], 0.975)).toBe(7);
  });

  test("a unit without observations does not count", () => {
    expect(columnMean(columnOf([1, null, 0, true]))).toBeCloseTo(2 / 3, 12);
  });

  test("all observations of a unit are drawn together", () => {
    const column = groupedColumn([0, 0, 2], [1, 3, 5], 3);
    expect(column).toEqual({ sums: [4, 0, 5], counts: [2, 0, 1] });
    expect(columnMean(column)).toBe(3);
    expect(columnMean(column, [2, 1, 0])).toBe(2);
  });

  test("the interval of a share is that of the normal approximation: 0.5 +- 1.96 sqrt(0.25 / 400)", () => {
    const column = columnOf(Array.from({ length: 400 }, (_, i) => i % 2 === 0));
    const { value, low, high } = createResampler(400, { resamples: 2000 }).mean(column);
    expect(value).toBe(0.5);
    expect(Math.abs(low - 0.451)).toBeLessThan(0.01);
    expect(Math.abs(high - 0.549)).toBeLessThan(0.01);
  });

  test("a difference is paired: a constant gain has an interval without width", () => {
    const base = Array.from({ length: 50 }, (_, i) => (i * 7) % 13);
    const { value, low, high } = createResampler(50).difference(columnOf(base.map((v) => v + 2)), columnOf(base));
    for (const bound of [value, low, high]) expect(bound).toBeCloseTo(2, 9);
  });

  test("the same seed gives the same interval", () => {
    const column = columnOf([0, 1, 1, 0, 1, 0, 0, 1]);
    expect(createResampler(8, { seed: 3 }).mean(column)).toEqual(createResampler(8, { seed: 3 }).mean(column));
  });

  test("resamples in which a figure is not defined are left out", () => {
    const one = createResampler(2, { resamples: 200 }).mean(columnOf([5, null]));
    expect(one).toEqual({ value: 5, low: 5, high: 5 });
  });
});

test("the weighted AUC equals the AUC of the observations written out as often as they count", () => {
  const observation = fc.record({
    score: fc.integer({ min: 0, max: 5 }),
    label: fc.boolean(),
    weight: fc.nat({ max: 3 }),
  });
  fc.assert(
    fc.property(fc.array(observation, { maxLength: 12 }), (list) => {
      const weighted = weightedAuc(
        list.map(({ score }) => score),
        list.map(({ label }) => label),
        list.map((_, i) => i),
      )(list.map(({ weight }) => weight));
      const written = list.flatMap((own) => new Array<typeof own>(own.weight).fill(own));
      const plain = auc(
        written.map(({ score }) => score),
        written.map(({ label }) => label),
      );
      if (Number.isNaN(plain)) expect(weighted).toBeNaN();
      else expect(weighted).toBeCloseTo(plain, 12);
    }),
  );
});

describe("calibration", () => {
  const bins = reliabilityBins([0.95, 0.95, 0.85, 0.15, 1], [true, false, true, false, true]);

  test("bins hold counts, mean scores and shares of right ones; 1 belongs to the last", () => {
    expect(bins).toHaveLength(10);
    expect(bins[9]?.count).toBe(3);
    expect(bins[9]?.mean_score).toBeCloseTo(2.9 / 3, 12);
    expect(bins[9]?.share_right).toBeCloseTo(2 / 3, 12);
    expect(bins[0]).toEqual({ low: 0, high: 0.1, count: 0, mean_score: null, share_right: null });
  });

  test("the error is (3 x 0.3 + 0.15 + 0.15) / 5 = 0.24", () => {
    expect(expectedCalibrationError(bins)).toBeCloseTo(0.24, 12);
  });
});

describe("ProcessBench's measure", () => {
  const solutions = [
    judgedSolution([0.9, 0.8], -1),
    judgedSolution([0.7, 0.4], -1),
    judgedSolution([0.9, 0.3, 0.1], 1),
    judgedSolution([0.6, 0.2], 0),
  ];

  test.each([
    // threshold, wrong solutions judged rightly, right ones, F1
    [0.35, 0.5, 1, 2 / 3],
    [0.5, 0.5, 0.5, 0.5],
    [0.65, 1, 0.5, 2 / 3],
    [0.95, 0.5, 0, 0],
  ])("at threshold %f: %f of the wrong, %f of the right, F1 %f", (threshold, wrong, right, f1) => {
    const measure = firstErrorMeasure(solutions, threshold);
    expect(measure.wrong_accuracy).toBe(wrong);
    expect(measure.right_accuracy).toBe(right);
    expect(measure.f1).toBeCloseTo(f1, 12);
  });

  test("the best threshold lies where three of four are judged rightly", () => {
    expect(firstErrorMeasure(solutions, bestThreshold(solutions)).f1).toBeCloseTo(2 / 3, 12);
  });

  test("the harmonic mean of nothing found is 0", () => {
    expect(harmonicMean(0, 0)).toBe(0);
  });

  test("a solution is judged rightly iff its first step below the threshold is the first wrong one", () => {
    const scores = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(scores, fc.nat(), fc.double({ min: 0.01, max: 1, noNaN: true }), (steps, draw, threshold) => {
        const firstWrong = (draw % (steps.length + 1)) - 1;
        const called = steps.findIndex((score) => score < threshold);
        expect(isJudgedRightly(judgedSolution(steps, firstWrong), threshold)).toBe(called === firstWrong);
      }),
    );
  });
});

describe("repetition", () => {
  test("one line of three repeats an earlier one; blank lines are none", () => {
    expect(repeatedLines("a\n\nb\n a ")).toBeCloseTo(1 / 3, 12);
    expect(repeatedLines("")).toBe(0);
  });

  test("one of five 4-grams repeats an earlier one", () => {
    expect(repeatedNgrams("a b c d\na b c d", 4)).toBeCloseTo(0.2, 12);
    expect(repeatedNgrams("a b c", 4)).toBe(0);
  });
});

describe("histograms", () => {
  test("the last bin is closed, and outliers fall into the end bins", () => {
    expect(histogramOf([0, 0.5, 1, 2, -3], [0, 0.5, 1]).counts).toEqual([2, 3]);
  });

  test("whole numbers have a bin each", () => {
    expect(histogramOf([0, 2, 2], integerEdges(2))).toEqual({ edges: [0, 1, 2, 3], counts: [1, 0, 2] });
  });

  test("edges span all lists", () => {
    expect(sharedEdges([[1], [3, 2]], 2)).toEqual([1, 2, 3]);
    expect(sharedEdges([[4]], 1)).toEqual([3.5, 4.5]);
  });
});
