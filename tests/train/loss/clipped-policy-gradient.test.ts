// The clipped policy gradient against values by hand and finite differences.

import { beforeAll, expect, test } from "vitest";
import { clippedPolicyLosses } from "../../../src/train/loss/clipped-policy-gradient.ts";
import { startTensorflow, type Tensor1D, tf } from "../../../src/train/tensorflow/tensorflow.ts";

beforeAll(async () => {
  await startTensorflow();
});

type Settings = { clipRange: number; beta: number };

const losses = (differences: number[], advantages: number[], settings: Settings): number[] =>
  tf.tidy(() => [
    ...clippedPolicyLosses(
      tf.tensor1d(differences.map((d) => d - 2)),
      tf.fill([differences.length], -2) as Tensor1D,
      tf.tensor1d(advantages),
      settings,
    ).dataSync(),
  ]);

const slopes = (differences: number[], advantages: number[], settings: Settings): number[] =>
  tf.tidy(() => [
    ...tf
      .grad((x) =>
        tf.sum(
          clippedPolicyLosses(
            x as Tensor1D,
            tf.fill([differences.length], -2) as Tensor1D,
            tf.tensor1d(advantages),
            settings,
          ),
        ),
      )(tf.tensor1d(differences.map((d) => d - 2)))
      .dataSync(),
  ]);

function expectValues(actual: readonly number[], expected: readonly number[], digits = 5): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i] ?? Number.NaN, digits);
  });
}

test("at the old policy the loss is minus the advantage, its slope too: the plain policy gradient", () => {
  const settings = { clipRange: 0.2, beta: 0.04 };
  expectValues(losses([0, 0, 0], [2, -1, 0], settings), [-2, 1, 0]);
  expectValues(slopes([0, 0, 0], [2, -1, 0], settings), [-2, 1, 0]);
});

test("a probability of 1.5 times the old one is clipped to 1.2 where it was wanted, not where it was not", () => {
  const up = Math.log(1.5);
  expectValues(losses([up, up], [1, -1], { clipRange: 0.2, beta: 0 }), [-1.2, 1.5]);
  expectValues(slopes([up, up], [1, -1], { clipRange: 0.2, beta: 0 }), [0, 1.5]);
});

test("one of half the old one is clipped to 0.8 where it was not wanted", () => {
  const down = Math.log(0.5);
  expectValues(losses([down, down], [1, -1], { clipRange: 0.2, beta: 0 }), [-0.5, 0.8]);
  expectValues(slopes([down, down], [1, -1], { clipRange: 0.2, beta: 0 }), [-0.5, 0]);
});

test("the penalty is 1/r + ln r - 1: 0.5 + ln 2 - 1 at twice the old probability, 2 - ln 2 - 1 at half", () => {
  const differences = [Math.LN2, -Math.LN2];
  expectValues(losses(differences, [0, 0], { clipRange: 0.2, beta: 1 }), [0.1931472, 0.3068528]);
});

test("slopes agree with finite differences", () => {
  const settings = { clipRange: 0.2, beta: 0.3 };
  const at = [-0.7, -0.1, 0.05, 0.6];
  const advantages = [1.3, -0.4, 0.9, -1.1];
  const h = 1e-2;
  const [above, below] = [
    losses(
      at.map((d) => d + h),
      advantages,
      settings,
    ),
    losses(
      at.map((d) => d - h),
      advantages,
      settings,
    ),
  ];
  expectValues(
    slopes(at, advantages, settings),
    above.map((value, i) => (value - (below[i] ?? 0)) / (2 * h)),
    3,
  );
});
