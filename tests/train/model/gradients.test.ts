// Every hand-written gradient against central finite differences, on whichever backend runs.

import { beforeAll, describe, expect, test } from "vitest";
import { gatedGelu, gatherRows, labelLogps, linear, rmsNorm } from "../../../src/train/model/gradients.ts";
import { startTensorflow, type Tensor, type Tensor1D, type Tensor2D, tf } from "../../../src/train/tensorflow.ts";

beforeAll(async () => {
  await startTensorflow();
});

const random = (shape: [number] | [number, number], seed: number): Tensor =>
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
});
