import { describe, expect, test } from "vitest";
import { argmax, createRandom, penalizeRepetition, sampleToken, tokenLogp } from "../../src/edge/engine/sampling.ts";
import { ArtifactError } from "../../src/shared/errors.ts";

// softmax: 0.5, 0.25, 0.125, 0.125
const HALVES = Float32Array.from([8, 4, 2, 2].map(Math.log));

function frequencies(draw: () => number, count: number): number[] {
  const seen = [0, 0, 0, 0];
  for (let at = 0; at < count; at++) {
    const id = draw();
    seen[id] = (seen[id] ?? 0) + 1;
  }
  return seen.map((times) => times / count);
}

describe("greedy", () => {
  test("the lowest id wins a tie", () => {
    expect(argmax(Float32Array.of(-1, 2, 2, 0))).toBe(1);
  });
  test("logits that are not numbers are an artifact's fault", () => {
    expect(() => argmax(Float32Array.of(Number.NaN, Number.NaN))).toThrow(ArtifactError);
  });
});

describe("sampling", () => {
  test("draws each token as often as its probability says", () => {
    const random = createRandom(7);
    const seen = frequencies(() => sampleToken(HALVES, { temperature: 1 }, random), 20_000);
    for (const [id, probability] of [0.5, 0.25, 0.125, 0.125].entries()) {
      expect(Math.abs((seen[id] ?? 0) - probability)).toBeLessThan(0.015);
    }
  });
  test("temperature 0.5 squares the odds: 16 to 4 to 1 to 1", () => {
    const random = createRandom(8);
    const seen = frequencies(() => sampleToken(HALVES, { temperature: 0.5 }, random), 20_000);
    for (const [id, odds] of [16, 4, 1, 1].entries()) expect(Math.abs((seen[id] ?? 0) - odds / 22)).toBeLessThan(0.015);
  });
  test("top_k keeps the k likeliest, the lower id on a tie", () => {
    const random = createRandom(9);
    const seen = frequencies(() => sampleToken(HALVES, { temperature: 1, topK: 3 }, random), 2_000);
    expect(seen[3]).toBe(0);
    expect(seen[2]).toBeGreaterThan(0);
  });
  test("top_p keeps the smallest set that reaches it", () => {
    const random = createRandom(10);
    const draw = (topP: number) => frequencies(() => sampleToken(HALVES, { temperature: 1, topP }, random), 2_000);
    expect(draw(0.5)).toEqual([1, 0, 0, 0]);
    const [, , third, fourth] = draw(0.6);
    expect([third, fourth]).toEqual([0, 0]);
  });
  test("a seed repeats its draws, another one does not", () => {
    const draws = (seed: number) => {
      const random = createRandom(seed);
      return Array.from({ length: 40 }, () => sampleToken(HALVES, { temperature: 1 }, random));
    };
    expect(draws(1)).toEqual(draws(1));
    expect(draws(1)).not.toEqual(draws(2));
  });
});

test("tokenLogp is the natural log of the softmax", () => {
  expect(tokenLogp(HALVES, 2)).toBeCloseTo(Math.log(0.125), 6);
});

test("a repeated token is penalised once, whatever its sign", () => {
  const logits = Float32Array.of(2, -2, 1);
  penalizeRepetition(logits, [0, 1, 1], 2);
  expect([...logits]).toEqual([1, -4, 1]);
});
