// Norms, clipping and accumulation of gradients, by hand.

import { beforeAll, expect, test } from "vitest";
import { addGradients, clipByGlobalNorm, globalNorm, valueAndGradients } from "../../../src/train/optim/gradients.ts";
import { startTensorflow, type Tensor, tf } from "../../../src/train/tensorflow/tensorflow.ts";

beforeAll(async () => {
  await startTensorflow();
});

/** Two parameters with the gradients 3 and 4: global norm 5. */
const threeFour = (): Record<string, Tensor> => ({ a: tf.tensor1d([3, 0]), b: tf.tensor2d([[4]]) });
const values = (gradients: Record<string, Tensor>): number[] =>
  Object.values(gradients).flatMap((g) => [...g.dataSync()]);

test("the global norm is that of all gradients together", () => {
  expect(globalNorm(threeFour())).toBeCloseTo(5, 6);
});

test("clipping scales all gradients by maxNorm / (norm + 1e-6) and returns the norm before", () => {
  const gradients = threeFour();
  expect(clipByGlobalNorm(gradients, 1)).toBeCloseTo(5, 6);
  values(gradients).forEach((value, i) => {
    expect(value).toBeCloseTo([0.6, 0, 0.8][i] ?? Number.NaN, 5);
  });
});

test.each([[6], [0]])("a norm under the limit stays, and a limit of 0 is none (limit %d)", (limit) => {
  const gradients = threeFour();
  expect(clipByGlobalNorm(gradients, limit)).toBeCloseTo(5, 6);
  expect(values(gradients)).toEqual([3, 0, 4]);
});

test("accumulated gradients are the sum, and nothing else is kept", () => {
  const before = tf.memory().numTensors;
  const sum = addGradients(addGradients(undefined, threeFour()), threeFour());
  expect(values(sum)).toEqual([6, 0, 8]);
  tf.dispose(sum);
  expect(tf.memory().numTensors).toBe(before);
});

test("value and gradients come by name: of a^2 b they are 2ab and a^2", () => {
  const parameters = { a: tf.scalar(3), b: tf.scalar(5) };
  const { value, gradients } = valueAndGradients((p) => tf.mul(tf.square(p.a ?? 0), p.b ?? 0), parameters);
  expect([value, gradients.a, gradients.b].map((tensor) => tensor?.dataSync()[0])).toEqual([45, 30, 9]);
});
