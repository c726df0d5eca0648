// Binary cross-entropy of logits against chances.

import { type Tensor, type Tensor1D, tf } from "../../tensorflow/tensorflow.ts";

/** Sum of softplus(x) - y x = -y log s(x) - (1 - y) log(1 - s(x)) over N logits; labels y in [0, 1]. */
export function binaryCrossEntropySum(logits: Tensor1D, labels: ArrayLike<number>): Tensor {
  return tf.sum(tf.sub(tf.softplus(logits), tf.mul(logits, tf.tensor1d(Float32Array.from(labels)))));
}
