// Steps, their pairs and their learning rates, by hand and as properties.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TRAIN_DEFAULTS } from "../../../../src/train/recipes/dpo/config.ts";
import { learningRateAt, pairsOfStep, planSchedule } from "../../../../src/train/recipes/run/schedule.ts";

describe("the number of steps", () => {
  test("3 epochs of 10 pairs, 2 a batch and 2 batches a step: 3 steps an epoch, 9 in all", () => {
    expect(planSchedule(10, { ...TRAIN_DEFAULTS, gradientAccumulationSteps: 2 })).toEqual({
      stepsPerEpoch: 3,
      maxSteps: 9,
      warmupSteps: 0,
    });
  });

  test("half an epoch of 10 pairs is 3 of 5 steps; maxSteps beats the epochs", () => {
    expect(planSchedule(10, { ...TRAIN_DEFAULTS, numTrainEpochs: 0.5 }).maxSteps).toBe(3);
    expect(planSchedule(10, { ...TRAIN_DEFAULTS, maxSteps: 7 }).maxSteps).toBe(7);
  });

  test("warm-up by ratio is rounded up; given in steps it beats the ratio", () => {
    expect(planSchedule(10, { ...TRAIN_DEFAULTS, warmupRatio: 0.1 }).warmupSteps).toBe(2);
    expect(planSchedule(10, { ...TRAIN_DEFAULTS, warmupRatio: 0.1, warmupSteps: 4 }).warmupSteps).toBe(4);
  });
});

describe("the learning rate", () => {
  const rates = (maxSteps: number, warmupSteps: number): number[] =>
    Array.from({ length: maxSteps }, (_, step) =>
      learningRateAt(step, { stepsPerEpoch: 1, maxSteps, warmupSteps }, { learningRate: 1 }),
    );

  test("falls in a line from the peak without warm-up: 4/4, 3/4, 2/4, 1/4", () => {
    expect(rates(4, 0)).toEqual([1, 0.75, 0.5, 0.25]);
  });

  test("rises from 0 over the warm-up, then falls: 0, 1/2, 1, 3/4, 2/4, 1/4", () => {
    expect(rates(6, 2)).toEqual([0, 0.5, 1, 0.75, 0.5, 0.25]);
  });

  test("never exceeds its peak and never is negative", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 80 }), (steps, warmup) => {
        for (const rate of rates(steps, warmup)) expect(rate >= 0 && rate <= 1).toBe(true);
      }),
    );
  });
});

describe("the pairs of a step", () => {
  const setup = fc.record({
    pairs: fc.integer({ min: 1, max: 40 }),
    perDeviceTrainBatchSize: fc.integer({ min: 1, max: 5 }),
    gradientAccumulationSteps: fc.integer({ min: 1, max: 4 }),
    seed: fc.integer({ min: 0, max: 1000 }),
  });

  test("together are every pair once an epoch, in micro-batches of the batch size at most", () => {
    fc.assert(
      fc.property(setup, ({ pairs, ...settings }) => {
        const config = { ...TRAIN_DEFAULTS, ...settings };
        const schedule = planSchedule(pairs, config);
        for (const epoch of [0, 1]) {
          const seen: number[] = [];
          for (let i = 0; i < schedule.stepsPerEpoch; i++) {
            const micro = pairsOfStep(epoch * schedule.stepsPerEpoch + i, pairs, schedule, config);
            expect(micro.length).toBeLessThanOrEqual(config.gradientAccumulationSteps);
            for (const batch of micro) expect(batch.length).toBeLessThanOrEqual(config.perDeviceTrainBatchSize);
            seen.push(...micro.flat());
          }
          expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: pairs }, (_, i) => i));
        }
      }),
    );
  });

  test("are shuffled anew each epoch, and the same for the same step and seed", () => {
    const schedule = planSchedule(40, TRAIN_DEFAULTS);
    const epoch = (number: number, seed: number): number[] =>
      Array.from({ length: 20 }, (_, i) =>
        pairsOfStep(number * 20 + i, 40, schedule, { ...TRAIN_DEFAULTS, seed }),
      ).flat(2);
    expect(epoch(0, 42)).not.toEqual(epoch(1, 42));
    expect(epoch(0, 42)).not.toEqual(epoch(0, 43));
    expect(epoch(1, 42)).toEqual(epoch(1, 42));
  });
});
