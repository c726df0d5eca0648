// Temperature, top-k and top-p on a distribution that can be followed by hand: 0.5, 0.3, 0.15, 0.05.

import { describe, expect, test } from "vitest";
import { createRng } from "../../../../src/shared/rng.ts";
import { argmax, logSumExp, type SamplingOptions, sampleToken } from "../../../../src/shared/sampling.ts";

const logits = [0.5, 0.3, 0.15, 0.05].map(Math.log);
const ALL: SamplingOptions = { doSample: true, temperature: 1, topK: 0, topP: 1 };
const draw = (options: Partial<SamplingOptions>, u: number): number =>
  sampleToken(logits, { ...ALL, ...options }, () => u);

describe("a token is drawn", () => {
  test("at the cumulative probabilities 0.5, 0.8, 0.95", () => {
    expect([0, 0.49, 0.51, 0.79, 0.81, 0.94, 0.96, 0.999].map((u) => draw({}, u))).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
  });

  test("of the k likeliest, their probabilities made to sum to 1: with k 2 the border is at 0.5 / 0.8 = 0.625", () => {
    expect([0.62, 0.63, 0.999].map((u) => draw({ topK: 2 }, u))).toEqual([0, 1, 1]);
  });

  test("of the k likeliest wherever they stand, the lower id first on a tie: ids 1, 3, 5, 2 with weights 1, 1, 1, 1/e", () => {
    const mixed = [1, 3, 2, 3, 2, 3, 0];
    const fourth = (u: number) => sampleToken(mixed, { ...ALL, topK: 4 }, () => u);
    // borders at 1, 2 and 3 of 3.368
    expect([0, 0.29, 0.3, 0.59, 0.6, 0.89, 0.9, 0.999].map(fourth)).toEqual([1, 1, 3, 3, 5, 5, 2, 2]);
  });

  test("of the smallest set that reaches p: 0.7 keeps two tokens, 0.49 one, 0.81 three", () => {
    expect(draw({ topP: 0.7 }, 0.999)).toBe(1);
    expect(draw({ topP: 0.49 }, 0.999)).toBe(0);
    expect(draw({ topP: 0.81 }, 0.999)).toBe(2);
  });

  test("top-p counts what top-k left: after k 2 the first token has 0.625 and reaches p 0.6 alone", () => {
    expect(draw({ topK: 2, topP: 0.6 }, 0.999)).toBe(0);
    expect(draw({ topP: 0.6 }, 0.999)).toBe(1);
  });

  test("from roots at temperature 2: 0.7071 of 1.8653 is 0.379", () => {
    expect([0.378, 0.381].map((u) => draw({ temperature: 2 }, u))).toEqual([0, 1]);
  });

  test("from squares at temperature 0.5: 0.25 of 0.365 is 0.685", () => {
    expect([0.684, 0.686].map((u) => draw({ temperature: 0.5 }, u))).toEqual([0, 1]);
  });

  test("wherever the logits stand, not only in order", () => {
    expect(sampleToken([-9, 2, -9], { ...ALL, topK: 1 }, () => 0.9)).toBe(1);
  });

  test("greedily without sampling, the first of equals", () => {
    expect(draw({ doSample: false }, 0.999)).toBe(0);
    expect(sampleToken([1, 3, 3], { ...ALL, doSample: false }, () => 0.9)).toBe(1);
  });
});

test("20,000 draws come within 1 % of the probabilities", () => {
  const rng = createRng(7);
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < 20_000; i++) {
    const id = sampleToken(logits, ALL, () => rng.next());
    counts[id] = (counts[id] ?? 0) + 1;
  }
  [0.5, 0.3, 0.15, 0.05].forEach((p, id) => {
    expect(Math.abs((counts[id] ?? 0) / 20_000 - p)).toBeLessThan(0.01);
  });
});

test("argmax takes the lowest index of equals; log-sum-exp of ln p is 0 and stays finite for large values", () => {
  expect(argmax([1, 5, 5, 2])).toBe(1);
  expect(logSumExp(logits)).toBeCloseTo(0, 12);
  expect(logSumExp([1000, 1000])).toBeCloseTo(1000 + Math.LN2, 9);
});
