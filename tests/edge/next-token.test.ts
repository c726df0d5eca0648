// The sampling itself is shared with the trainer and tested there.

import { describe, expect, test } from "vitest";
import { allowedLogits, createRandom, nextToken, tokenLogp } from "../../src/edge/engine/next-token.ts";
import { ArtifactError, InputError } from "../../src/shared/errors.ts";

// softmax: 0.5, 0.25, 0.125, 0.125
const HALVES = Float32Array.from([8, 4, 2, 2].map(Math.log));
const SAMPLED = { doSample: true, temperature: 1, topK: 0, topP: 1 };

describe("the next token", () => {
  test("greedy takes the lowest id on a tie", () => {
    const greedy = { ...SAMPLED, doSample: false };
    expect(nextToken(Float32Array.of(-1, 2, 2, 0), greedy, createRandom(0))).toBe(1);
  });

  test("is drawn as often as its probability says", () => {
    const random = createRandom(7);
    const seen = [0, 0, 0, 0];
    for (let draw = 0; draw < 20_000; draw++) {
      const id = nextToken(HALVES, SAMPLED, random);
      seen[id] = (seen[id] ?? 0) + 1;
    }
    for (const [id, probability] of [0.5, 0.25, 0.125, 0.125].entries()) {
      expect(Math.abs((seen[id] ?? 0) / 20_000 - probability)).toBeLessThan(0.015);
    }
  });

  test("a seed repeats its draws, another one does not", () => {
    const draws = (seed: number) => {
      const random = createRandom(seed);
      return Array.from({ length: 40 }, () => nextToken(HALVES, SAMPLED, random));
    };
    expect(draws(1)).toEqual(draws(1));
    expect(draws(1)).not.toEqual(draws(2));
  });

  test("logits that are not numbers are an artifact's fault, never id 0", () => {
    expect(() => nextToken(Float32Array.of(Number.NaN, 1), SAMPLED, createRandom(0))).toThrow(ArtifactError);
    expect(() => nextToken(Float32Array.of(0, Infinity), SAMPLED, createRandom(0))).toThrow(ArtifactError);
  });
});

test("tokenLogp is the natural log of the softmax", () => {
  expect(tokenLogp(HALVES, 2)).toBeCloseTo(Math.log(0.125), 6);
});

test("settings that leave no token are named, and are no fault of the model", () => {
  const written = { startId: 0, ids: [1, 2], newTokens: 2, endIds: [3] };
  const [settings, logits] = [{ noRepeatNgramSize: 1, minNewTokens: 5 }, Float32Array.of(4, 3, 2, 1)];
  expect(() => allowedLogits(logits, written, settings)).toThrow(InputError);
  expect(() => allowedLogits(logits, written, settings)).toThrow(
    'no_repeat_ngram_size 1 with min_new_tokens 5 leaves no token to go on with (field "no_repeat_ngram_size")',
  );
  // one is left; and a model's fault stays one
  expect([...allowedLogits(logits, written, { noRepeatNgramSize: 1 })]).toEqual([-Infinity, -Infinity, -Infinity, 1]);
  const broken = Float32Array.of(Number.NaN, 1, 1, 1);
  const both = () => nextToken(allowedLogits(broken, written, settings), SAMPLED, createRandom(0));
  expect(both).toThrow(ArtifactError);
});
