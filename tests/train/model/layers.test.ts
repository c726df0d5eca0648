// Every hand-written gradient against central finite differences, on whichever backend runs.

import { beforeAll, describe, expect, test } from "vitest";
import { attend } from "../../../src/train/model/attention.ts";
import { gatedGelu, gatherRows, labelLogps, linear, residual, rmsNorm } from "../../../src/train/model/layers.ts";
import { adaptedLinear, frozenLinear } from "../../../src/train/model/low-rank.ts";
import { withGradient } from "../../../src/train/tensorflow/tape/custom-gradient.ts";
import { recomputed } from "../../../src/train/tensorflow/tape/recompute.ts";
import {
  startTensorflow,
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor4D,
  tf,
} from "../../../src/train/tensorflow/tensorflow.ts";

beforeAll(async () => {
  await startTensorflow();
});

const random = (shape: [number] | [number, number] | [number, number, number, number], seed: number): Tensor =>
  tf.randomNormal(shape, 0, 1, "float32", seed);

/** Largest gap between the tape's gradient of sum(f * weights) and finite differences, relative to the largest gradient. */
function gradientGap(f: (...xs: Tensor[]) => Tensor, inputs: Tensor[]): number {
  const weights = random(f(...inputs).shape as [number], 99);
  const loss = (...xs: Tensor[]): Tensor => tf.sum(tf.mul(f(...xs), weights));
  const analytic = tf.grads(loss)(inputs);
  const h = 1e-2;
  let gap = 0;
  let largest = 0;
  inputs.forEach((input, i) => {
    const values = input.dataSync();
    const grads = analytic[i]?.dataSync() ?? [];
    for (let j = 0; j < values.length; j++) {
      const at = (delta: number): number => {
        const moved = Float32Array.from(values);
        moved[j] = (moved[j] ?? 0) + delta;
        const xs = inputs.map((x, k) => (k === i ? tf.tensor(moved, x.shape) : x));
        return loss(...xs).dataSync()[0] ?? Number.NaN;
      };
      const numeric = (at(h) - at(-h)) / (2 * h);
      gap = Math.max(gap, Math.abs(numeric - (grads[j] ?? Number.NaN)));
      largest = Math.max(largest, Math.abs(numeric));
    }
  });
  return gap / largest;
}

describe("hand-written gradients equal finite differences", () => {
  test("linear", () => {
    const gap = gradientGap((x, w) => linear(x as Tensor2D, w as Tensor2D), [random([5, 4], 1), random([4, 3], 2)]);
    expect(gap).toBeLessThan(2e-3);
  });

  test("rmsNorm", () => {
    const gap = gradientGap((x, g) => rmsNorm(x as Tensor2D, g as Tensor1D, 1e-6), [random([3, 4], 3), random([4], 4)]);
    expect(gap).toBeLessThan(2e-3);
  });

  test("gatedGelu", () => {
    const gap = gradientGap((a, b) => gatedGelu(a as Tensor2D, b as Tensor2D), [random([3, 4], 5), random([3, 4], 6)]);
    expect(gap).toBeLessThan(2e-3);
  });

  test("gatherRows, with a row taken twice", () => {
    const ids = tf.tensor1d([2, 0, 2, 1], "int32");
    const gap = gradientGap((table) => gatherRows(table as Tensor2D, ids), [random([4, 3], 7)]);
    expect(gap).toBeLessThan(2e-3);
  });

  test("labelLogps", () => {
    const labels = tf.tensor1d([1, 4, 0], "int32");
    const gap = gradientGap(
      (h, w) => labelLogps(h as Tensor2D, w as Tensor2D, labels),
      [random([3, 4], 8), random([5, 4], 9)],
    );
    expect(gap).toBeLessThan(2e-3);
  });

  test("labelLogps of more rows than are computed at once: the gradients of its parts", () => {
    const rows = 600;
    const labels = tf.tensor1d(
      Array.from({ length: rows }, (_, i) => i % 5),
      "int32",
    );
    const [hidden, head] = [random([rows, 4], 25) as Tensor2D, random([5, 4], 26) as Tensor2D];
    const weights = random([rows], 27);
    const part = (start: number, count: number) =>
      tf.grads((h, w) =>
        tf.sum(
          tf.mul(
            labelLogps(
              tf.slice(h as Tensor2D, [start, 0], [count, 4]),
              w as Tensor2D,
              tf.slice(labels, start, count) as Tensor1D,
            ),
            tf.slice(weights, start, count),
          ),
        ),
      )([hidden, head]);
    const whole = part(0, rows);
    const [first, second] = [part(0, 300), part(300, 300)];
    whole.forEach((gradient, i) => {
      const sum = tf.add(first[i] ?? Number.NaN, second[i] ?? Number.NaN);
      const gap = tf.max(tf.abs(tf.sub(gradient, sum))).dataSync()[0];
      expect(gap).toBeLessThan(1e-4);
    });
  });

  test("residual", () => {
    const gap = gradientGap((x, y) => residual(x as Tensor2D, y as Tensor2D), [random([3, 4], 10), random([3, 4], 11)]);
    expect(gap).toBeLessThan(2e-3);
  });

  test.each([
    ["a bias a row and head", [2, 3, 4, 5]],
    ["a bias that rows share", [1, 3, 4, 5]],
    ["a bias that heads and queries share", [2, 1, 1, 5]],
  ] as [string, [number, number, number, number]][])("attend, with %s", (_, biasShape) => {
    const inputs = [
      random([2, 3, 4, 2], 12),
      random([2, 3, 5, 2], 13),
      random([2, 3, 5, 2], 14),
      random(biasShape, 15),
    ];
    const gap = gradientGap(
      (q, k, v, bias) => attend(q as Tensor4D, k as Tensor4D, v as Tensor4D, bias as Tensor4D),
      inputs,
    );
    expect(gap).toBeLessThan(2e-3);
  });

  test("frozenLinear, to its input", () => {
    const weight = random([4, 3], 16) as Tensor2D;
    expect(gradientGap((x) => frozenLinear(x as Tensor2D, weight), [random([5, 4], 17)])).toBeLessThan(2e-3);
  });

  test("adaptedLinear, to its input and to both matrices of the adapter", () => {
    const weight = random([4, 3], 18) as Tensor2D;
    const scale = tf.scalar(0.5);
    const gap = gradientGap(
      (x, a, b) => adaptedLinear(x as Tensor2D, weight, { a: a as Tensor2D, b: b as Tensor2D, scale }),
      [random([5, 4], 19), random([4, 2], 20), random([2, 3], 21)],
    );
    expect(gap).toBeLessThan(2e-3);
  });

  test("a block that is recomputed, to its inputs and its parameters", () => {
    const constant = random([3, 4], 22);
    const gap = gradientGap(
      (x, w) =>
        recomputed((x: Tensor, c: Tensor) => tf.mul(tf.tanh(linear(x as Tensor2D, w as Tensor2D)), tf.add(c, x)), {
          tensors: [x, constant] as [Tensor, Tensor],
          differentiated: 1,
          parameters: [w as Tensor],
        }),
      [random([3, 4], 23), random([4, 4], 24)],
    );
    expect(gap).toBeLessThan(2e-3);
  });
});

test("only the gradients that are asked for are computed", () => {
  const asked: string[] = [];
  const product = (x: Tensor, y: Tensor): Tensor =>
    withGradient<[Tensor, Tensor], [Tensor, Tensor], Tensor>(
      (x, y) => ({
        value: tf.mul(x, y),
        saved: [x, y],
        gradient: (dy, [x, y]) => [
          () => {
            asked.push("x");
            return tf.mul(dy, y);
          },
          () => {
            asked.push("y");
            return tf.mul(dy, x);
          },
        ],
      }),
      x,
      y,
    );
  const [x, y] = [random([3], 1), random([3], 2)];
  tf.grad((x) => tf.sum(product(x, y)))(x);
  expect(asked).toEqual(["x"]);
  tf.grads((x, y) => tf.sum(product(x, y)))([x, y]);
  expect(asked).toEqual(["x", "x", "y"]);
});
