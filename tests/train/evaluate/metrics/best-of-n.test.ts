// Best-of-N estimators: by hand for small cases, and against the average over all subsets written out.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRng } from "../../../../src/shared/rng.ts";
import {
  bestScored,
  binomial,
  expectedVote,
  MAX_SUBSETS,
  passAtN,
  subsets,
  type Voters,
} from "../../../../src/train/evaluate/metrics/best-of-n.ts";

describe("pass@n", () => {
  test("one right of four, two drawn: 1 - C(3,2) / C(4,2) = 1/2", () => {
    expect(passAtN(4, 1, 2)).toBeCloseTo(0.5, 12);
  });
  test("is 0 without a right one and 1 when fewer are wrong than drawn", () => {
    expect(passAtN(5, 0, 5)).toBe(0);
    expect(passAtN(5, 3, 3)).toBe(1);
  });
});

describe("the best-scored of n", () => {
  test("of {1, 2, 3} with only the middle one right: best of 2 is right in 1 of 3 subsets", () => {
    expect(bestScored([1, 2, 3], [0, 1, 0], 2)).toBeCloseTo(1 / 3, 12);
  });
  test("ties share the outcome", () => {
    expect(bestScored([0.5, 0.5], [1, 0], 2)).toBe(0.5);
  });
  test("a score of minus infinity is never preferred", () => {
    expect(bestScored([Number.NEGATIVE_INFINITY, 0], [1, 0], 2)).toBe(0);
  });
  test("equals the average over all subsets", () => {
    const sample = fc.record({ score: fc.integer({ min: 0, max: 3 }), value: fc.integer({ min: 0, max: 1 }) });
    fc.assert(
      fc.property(fc.array(sample, { minLength: 1, maxLength: 6 }), fc.nat(), (samples, draw) => {
        const n = (draw % samples.length) + 1;
        const all = subsets(samples.length, n, createRng(0)).map((subset) => {
          const chosen = subset.flatMap((i) => samples[i] ?? []);
          const top = Math.max(...chosen.map(({ score }) => score));
          const best = chosen.filter(({ score }) => score === top);
          return best.reduce((sum, { value }) => sum + value, 0) / best.length;
        });
        const mean = all.reduce((sum, value) => sum + value, 0) / all.length;
        const scores = samples.map(({ score }) => score);
        const values = samples.map(({ value }) => value);
        expect(bestScored(scores, values, n)).toBeCloseTo(mean, 9);
      }),
    );
  });
});

describe("subsets", () => {
  test("all six pairs of four, each once", () => {
    expect(subsets(4, 2, createRng(1)).map(String).sort()).toEqual(["0,1", "0,2", "0,3", "1,2", "1,3", "2,3"]);
  });
  test("where there are too many, some are drawn, without repeats inside one", () => {
    expect(binomial(16, 8)).toBe(12870);
    const drawn = subsets(16, 8, createRng(1));
    expect(drawn).toHaveLength(MAX_SUBSETS);
    expect(drawn.every((subset) => new Set(subset).size === 8)).toBe(true);
  });
});

describe("votes", () => {
  const answers = [0, 0, 1];
  const values = [
    [1, 0, 0],
    [1, 1, 0],
  ];

  const vote = (voters: Voters, subset: readonly number[]): number[] => expectedVote(voters, [subset]);

  test("two light votes for one answer lose against a heavy one", () => {
    expect(vote({ answers, weights: [0.2, 0.3, 0.9], values }, [0, 1, 2])).toEqual([0, 0]);
  });
  test("the majority wins, and any of its solutions is returned", () => {
    expect(vote({ answers, weights: [1, 1, 1], values }, [0, 1, 2])).toEqual([0.5, 1]);
  });
  test("the heaviest solution of the winning answer is returned", () => {
    expect(vote({ answers, weights: [0.6, 0.5, 0.9], values }, [0, 1, 2])).toEqual([1, 1]);
  });
  test("a tie is shared", () => {
    expect(vote({ answers, weights: [1, 1, 1], values }, [0, 2])).toEqual([0.5, 0.5]);
  });
  test("samples without an answer do not vote; when nobody votes nothing is right", () => {
    expect(vote({ answers: [-1, -1, 0], weights: [1, 1, 1], values: [[1, 1, 0]] }, [0, 1, 2])).toEqual([0]);
    expect(vote({ answers: [-1], weights: [1], values: [[1]] }, [0])).toEqual([0]);
  });
  test("the expectation is the mean over the subsets", () => {
    const drawn = [[0], [1], [2]];
    const [exact, right] = expectedVote({ answers, weights: [1, 1, 1], values }, drawn);
    expect(exact).toBeCloseTo(1 / 3, 12);
    expect(right).toBeCloseTo(2 / 3, 12);
  });
});
