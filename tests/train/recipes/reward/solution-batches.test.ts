// Which solutions an optimizer step sees: all of them once an epoch, a question's together, the same ones again for the same seed.

import { expect, test } from "vitest";
import { epochSteps } from "../../../../src/train/recipes/reward/solution-batches.ts";
import type { LabelledTokens } from "../../../../src/train/recipes/reward/solution-targets.ts";

/** 100 questions, two solutions of 3 to 23 tokens each. */
const solutions: LabelledTokens[] = Array.from({ length: 200 }, (_, i) => {
  const question = Math.floor(i / 2);
  return {
    promptIds: [question, 1],
    decoderIds: [0, ...new Array<number>(1 + (i % 2) + (question % 20)).fill(5), 1],
    stepEnds: [1],
    labels: [1],
  };
});
const options = { batchSize: 8, accumulation: 1, seed: 42 };

test("an epoch holds every solution once, in batches of the asked size", () => {
  const steps = epochSteps(solutions, 0, { ...options, batchSize: 7, accumulation: 2 });
  const batches = steps.flat();
  expect(batches.flat().sort((a, b) => a - b)).toEqual(solutions.map((_, i) => i));
  expect(steps).toHaveLength(Math.ceil(200 / 14));
  expect(batches.filter((batch) => batch.length !== 7).map((batch) => batch.length)).toEqual([200 % 7]);
});

test("the seed and the epoch decide the order, and nothing else", () => {
  const first = epochSteps(solutions, 0, options);
  expect(epochSteps(solutions, 0, options)).toEqual(first);
  expect(epochSteps(solutions, 1, options)).not.toEqual(first);
  expect(epochSteps(solutions, 0, { ...options, seed: 43 })).not.toEqual(first);
});

test("a question's solutions are in one batch, beside solutions of like length", () => {
  const batches = epochSteps(solutions, 0, options).flat();
  for (const batch of batches) {
    expect(new Set(batch.map((i) => Math.floor(i / 2))).size).toBe(batch.length / 2);
  }
  const padding = (batch: number[]): number => {
    const lengths = batch.map((i) => solutions[i]?.decoderIds.length ?? 0);
    return lengths.reduce((sum, length) => sum + Math.max(...lengths) - length, 0);
  };
  const inOrder = Array.from({ length: 25 }, (_, b) => Array.from({ length: 8 }, (_, i) => 8 * b + i));
  const total = (all: number[][]): number => all.reduce((sum, batch) => sum + padding(batch), 0);
  expect(total(batches)).toBeLessThan(0.5 * total(inOrder));
});
