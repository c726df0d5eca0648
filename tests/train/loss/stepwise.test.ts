// The published loss, -log sigmoid((r_c - r_r)(log p_c - log p_r)), against numbers worked out by hand.

import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { stepwiseDpoLoss } from "../../../src/train/loss/stepwise.ts";
import { startTensorflow, type Tensor1D, tf } from "../../../src/train/tensorflow/tensorflow.ts";

beforeAll(async () => {
  await startTensorflow();
});

function loss(chosen: number[], rejected: number[], margins: number[]): number {
  return tf.tidy(
    () => stepwiseDpoLoss(tf.tensor1d(chosen), tf.tensor1d(rejected), tf.tensor1d(margins)).dataSync()[0] ?? Number.NaN,
  );
}

/** Gradients by the chosen and the rejected log-probs. */
function gradients(chosen: number[], rejected: number[], margins: number[]): { chosen: number[]; rejected: number[] } {
  const f = (c: Tensor1D, r: Tensor1D) => stepwiseDpoLoss(c, r, tf.tensor1d(margins)).asScalar();
  const [c, r] = tf.grads((...xs) => f(xs[0] as Tensor1D, xs[1] as Tensor1D))([
    tf.tensor1d(chosen),
    tf.tensor1d(rejected),
  ]);
  return { chosen: [...(c?.dataSync() ?? [])], rejected: [...(r?.dataSync() ?? [])] };
}

describe("by hand", () => {
  test("margin 0.5, log-probs -1 and -3: ln(1 + e^-1) = 0.3132617, gradient -0.5 sigmoid(-1) = -0.1344707", () => {
    expect(loss([-1], [-3], [0.5])).toBeCloseTo(0.3132617, 6);
    const { chosen, rejected } = gradients([-1], [-3], [0.5]);
    expect(chosen[0]).toBeCloseTo(-0.1344707, 6);
    expect(rejected[0]).toBeCloseTo(0.1344707, 6);
  });

  test("margin -0.5 reverses the preference: ln(1 + e) = 1.3132617, gradient 0.5 sigmoid(1) = 0.3655293", () => {
    expect(loss([-1], [-3], [-0.5])).toBeCloseTo(1.3132617, 6);
    const { chosen, rejected } = gradients([-1], [-3], [-0.5]);
    expect(chosen[0]).toBeCloseTo(0.3655293, 6);
    expect(rejected[0]).toBeCloseTo(-0.3655293, 6);
  });

  test("a zero margin costs ln 2 and gives no gradient, however far the log-probs are apart", () => {
    expect(loss([-1], [-300], [0])).toBeCloseTo(Math.LN2, 6);
    expect(gradients([-1], [-300], [0])).toEqual({
      chosen: [expect.closeTo(0, 12)],
      rejected: [expect.closeTo(0, 12)],
    });
  });

  test("pairs are averaged: 0.3132617 and ln 2 give 0.5032045, and each gradient is halved", () => {
    expect(loss([-1, -2], [-3, -2], [0.5, 0.8])).toBeCloseTo(0.5032045, 6);
    expect(gradients([-1, -2], [-3, -2], [0.5, 0.8]).chosen[0]).toBeCloseTo(-0.1344707 / 2, 6);
  });

  test("margins of 500 stay finite: 0 on the right side, 500 on the wrong one", () => {
    expect(loss([-1], [-501], [1])).toBeCloseTo(0, 6);
    expect(loss([-501], [-1], [1])).toBeCloseTo(500, 3);
    expect(gradients([-501], [-1], [1]).chosen[0]).toBeCloseTo(-1, 6);
  });
});

const logp = fc.float({ min: -60, max: 0, noNaN: true });
const margin = fc.float({ min: -1, max: 1, noNaN: true });

test("loss(d) - loss(-d) = -margin d", () => {
  fc.assert(
    fc.property(logp, logp, margin, (chosen, rejected, m) => {
      const difference = loss([chosen], [rejected], [m]) - loss([rejected], [chosen], [m]);
      expect(difference).toBeCloseTo(-m * (chosen - rejected), 3);
    }),
    { numRuns: 50 },
  );
});

test("chosen and rejected pull with equal force in opposite directions, chosen up where the margin is positive", () => {
  fc.assert(
    fc.property(logp, logp, margin, (a, b, m) => {
      const { chosen, rejected } = gradients([a], [b], [m]);
      expect((chosen[0] ?? Number.NaN) + (rejected[0] ?? Number.NaN)).toBeCloseTo(0, 6);
      expect(Math.sign(chosen[0] ?? Number.NaN) * Math.sign(m)).toBeLessThanOrEqual(0);
    }),
    { numRuns: 50 },
  );
});
