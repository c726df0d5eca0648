// Our backward pass against TensorFlow.js's own on the same tape, and that it leaves nothing behind.

import { beforeAll, expect, test } from "vitest";
import { gradientsOf } from "../../../../src/train/tensorflow/tape/tape.ts";
import { startTensorflow, type Tensor, type Tensor2D, tf } from "../../../../src/train/tensorflow/tensorflow.ts";

beforeAll(async () => {
  await startTensorflow();
});

const random = (shape: [number, number], seed: number): Tensor2D => tf.randomNormal(shape, 0, 1, "float32", seed);

/** An input used often, outputs that are split, handed on unchanged, or not used at all, and a constant on the way. */
function tangled(x: Tensor2D, y: Tensor2D): Tensor {
  const constant = tf.ones([4, 3]);
  const product = tf.matMul(x, y); // [3, 3]
  const [left, right] = tf.split(tf.concat([product, tf.add(product, tf.clone(x).slice([0, 0], [3, 3]))], 1), 2, 1);
  const unused = tf.exp(product);
  if (left === undefined || right === undefined || unused.rank !== 2) throw new Error("split");
  const identity = tf.cast(tf.clone(left), "float32");
  return tf.sum(tf.mul(tf.add(identity, identity), tf.tanh(tf.add(right, tf.matMul(x, constant)))));
}

test("the gradients are those of TensorFlow.js", () => {
  const [x, y] = [random([3, 4], 1), random([4, 3], 2)];
  const expected = tf.grads((x, y) => tangled(x as Tensor2D, y as Tensor2D))([x, y]);
  const { value, gradients } = gradientsOf(() => tangled(x, y), [x, y]);
  expect(value.dataSync()).toEqual(tangled(x, y).dataSync());
  gradients.forEach((gradient, i) => {
    const reference = expected[i]?.dataSync() ?? [];
    gradient.dataSync().forEach((value, j) => {
      expect(value).toBeCloseTo(reference[j] ?? Number.NaN, 5);
    });
  });
});

test("no tensor is left but the value and its gradients, and none of the caller's is freed", () => {
  const [x, y] = [random([3, 4], 1), random([4, 3], 2)];
  const { numTensors } = tf.memory();
  const { value, gradients } = gradientsOf(() => tangled(x, y), [x, y]);
  expect(tf.memory().numTensors).toBe(numTensors + 3);
  tf.dispose([value, gradients]);
  expect(x.isDisposed || y.isDisposed).toBe(false);
});

test("a gradient that arrives from outside is multiplied in and stays the caller's", () => {
  const x = random([2, 2], 3);
  const dy = tf.tensor2d([1, 2, 3, 4], [2, 2]);
  const { gradients } = gradientsOf(() => tf.square(x), [x], dy);
  const values = [...x.dataSync()];
  expect([...(gradients[0]?.dataSync() ?? [])]).toEqual(
    values.map((value, i) => Math.fround(2 * value) * (i + 1)).map(Math.fround),
  );
  expect(dy.isDisposed).toBe(false);
});

test("a value that does not depend on what is asked for is an error", () => {
  const [x, y] = [random([2, 2], 4), random([2, 2], 5)];
  expect(() => gradientsOf(() => tf.sum(x), [x, y])).toThrow("does not depend on a tensor of shape [2, 2]");
});
