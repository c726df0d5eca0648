// Each loss of the family against numbers worked out by hand. Two values recur: ln(1 + e^-1) = 0.3132617 = loss of u = 1, and
// ln(1 + e) = 1.3132617 = loss of u = -1; they differ by u, since -log sigmoid(-u) = -log sigmoid(u) + u.

import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { hingeLoss } from "../../../src/train/loss/hinge.ts";
import { ipoLoss } from "../../../src/train/loss/ipo.ts";
import { logRatios, perToken } from "../../../src/train/loss/log-ratios.ts";
import { robustLoss } from "../../../src/train/loss/robust.ts";
import { marginLogits, weightByMargin } from "../../../src/train/loss/score-margin.ts";
import { sftLoss } from "../../../src/train/loss/sft.ts";
import { sigmoidLoss } from "../../../src/train/loss/sigmoid.ts";
import { simpoLoss } from "../../../src/train/loss/simpo.ts";
import { startTensorflow, type Tensor, type Tensor1D, tf } from "../../../src/train/tensorflow/tensorflow.ts";

beforeAll(async () => {
  await startTensorflow();
});

/** Values of f at xs. */
function values(f: (x: Tensor1D) => Tensor1D, xs: number[]): number[] {
  return tf.tidy(() => [...f(tf.tensor1d(xs)).dataSync()]);
}

/** f'(x) of each x. */
function slopes(f: (x: Tensor1D) => Tensor, xs: number[]): number[] {
  return tf.tidy(() => [
    ...tf
      .grad((x) => tf.sum(f(x as Tensor1D)))(tf.tensor1d(xs))
      .dataSync(),
  ]);
}

function expectValues(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i] ?? Number.NaN, 5);
  });
}

describe("DPO", () => {
  test("logits 1, 0, -1 cost 0.3132617, ln 2, 1.3132617; slopes are -sigmoid(-u)", () => {
    expectValues(values(sigmoidLoss, [1, 0, -1]), [0.3132617, Math.LN2, 1.3132617]);
    expectValues(slopes(sigmoidLoss, [1, 0, -1]), [-0.2689414, -0.5, -0.7310586]);
  });

  test("with label smoothing 0.1 a logit u costs 0.1 u more: 0.4132617 at 1, 1.2132617 at -1", () => {
    const smoothed = (u: Tensor1D): Tensor1D => sigmoidLoss(u, 0.1);
    expectValues(values(smoothed, [1, -1]), [0.4132617, 1.2132617]);
    // -sigmoid(-1) + 0.1; no slope where sigmoid(u) = 0.9, at u = ln 9
    expectValues(slopes(smoothed, [1, Math.log(9)]), [-0.1689414, 0]);
  });
});

describe("robust DPO", () => {
  test("at e = 0.1 a logit u costs 0.1 u / 0.8 less: 0.3132617 - 0.125 at 1, 1.3132617 + 0.125 at -1", () => {
    const robust = (u: Tensor1D): Tensor1D => robustLoss(u, 0.1);
    expectValues(values(robust, [1, -1]), [0.1882617, 1.4382617]);
    expectValues(slopes(robust, [0]), [-0.625]); // -0.5 - 0.1 / 0.8
  });

  test("is unbiased: a share e of swapped pairs gives DPO's loss on the mean", () => {
    fc.assert(
      fc.property(
        fc.float({ min: -8, max: 8, noNaN: true }),
        fc.constantFrom(Math.fround(0.05), Math.fround(0.3)),
        (u, e) => {
          const [right = Number.NaN, swapped = Number.NaN] = values((x) => robustLoss(x, e), [u, -u]);
          const [dpo = Number.NaN] = values(sigmoidLoss, [u]);
          expect((1 - e) * right + e * swapped).toBeCloseTo(dpo, 4);
        },
      ),
      { numRuns: 30 },
    );
  });
});

test("hinge: logits 0.25, 2, -1 cost 0.75, 0, 2; no pull beyond 1", () => {
  expectValues(values(hingeLoss, [0.25, 2, -1]), [0.75, 0, 2]);
  expectValues(slopes(hingeLoss, [0.25, 2, -1]), [-1, 0, -1]);
});

test("IPO at beta 0.1 draws the log-ratio to 5: 3 and 7 cost 4 each and are pulled together by 4, 5 costs nothing", () => {
  const ipo = (h: Tensor1D): Tensor1D => ipoLoss(h, 0.1);
  expectValues(values(ipo, [3, 5, 7]), [4, 0, 4]);
  expectValues(slopes(ipo, [3, 5, 7]), [-4, 0, 4]);
});

test("SimPO: -6 over 3 tokens against -8 over 2 leads by 2 a token; beta 2, gamma 3 leave a logit of 1", () => {
  const [loss] = tf.tidy(() => {
    const chosen = perToken(tf.tensor1d([-6]), tf.tensor1d([3]));
    const rejected = perToken(tf.tensor1d([-8]), tf.tensor1d([2]));
    return [...simpoLoss(tf.mul(tf.sub(chosen, rejected), 2), 3).dataSync()];
  });
  expect(loss).toBeCloseTo(0.3132617, 6);
});

test("SFT costs what the log-probs are below zero, one for one", () => {
  expectValues(values(sftLoss, [-2, 0]), [2, 0]);
  expectValues(slopes(sftLoss, [-2]), [-1]);
});

describe("score margins", () => {
  const logits = (h: number, margin: number, marginRole: "none" | "scale" | "offset", odpoAlpha: number): number =>
    values((x) => marginLogits(x, tf.tensor1d([margin]), { beta: 0.5, marginRole, odpoAlpha }), [h])[0] ?? Number.NaN;

  test("at beta 0.5 and log-ratio 6: none 3; margin 0.25 as scale 0.75; as offset with alpha 4, 3 - 1 = 2", () => {
    expect(logits(6, 0.25, "none", 4)).toBeCloseTo(3, 6);
    expect(logits(6, 0.25, "scale", 4)).toBeCloseTo(0.75, 6);
    expect(logits(6, 0.25, "offset", 4)).toBeCloseTo(2, 6);
  });

  test("a weight multiplies the loss: 0.25 * 0.3132617 = 0.0783154", () => {
    expectValues(
      values((u) => weightByMargin(sigmoidLoss(u), tf.tensor1d([0.25])), [1]),
      [0.0783154],
    );
  });
});

test("a log-ratio without a reference is the policy's log-prob itself", () => {
  expectValues(
    values((x) => logRatios(x, tf.tensor1d([-2, -5])), [-1, -7]),
    [1, -2],
  );
  expectValues(
    values((x) => logRatios(x, undefined), [-1, -7]),
    [-1, -7],
  );
});
