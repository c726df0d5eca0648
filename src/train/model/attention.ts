// Attention with its gradient by hand: of the [B, H, T, S] matrices only the probabilities are kept for the backward pass, where the tape
// would keep the scores and the bias too. Checked against finite differences in tests/train/model/gradients.test.ts.

import { withGradient } from "../tensorflow/tape/custom-gradient.ts";
import { type Tensor, type Tensor4D, tf } from "../tensorflow/tensorflow.ts";

/** Sums x over the axes along which `shape` was broadcast to it. */
function sumToShape(x: Tensor4D, shape: readonly number[]): Tensor {
  const axes = shape.flatMap((size, axis) => (size === 1 && x.shape[axis] !== 1 ? [axis] : []));
  return axes.length === 0 ? tf.clone(x) : tf.sum(x, axes, true);
}

/** softmax(q k^T + bias) v, each [B, H, *, K]; bias broadcasts to [B, H, T, S]. T5 does not divide by sqrt(K). */
export function attend(q: Tensor4D, k: Tensor4D, v: Tensor4D, bias: Tensor4D): Tensor4D {
  type Inputs = [Tensor4D, Tensor4D, Tensor4D, Tensor4D];
  return withGradient<Inputs, Inputs, Tensor4D>(
    (q, k, v, bias) => {
      const probs = tf.softmax(tf.add(tf.matMul(q, k, false, true), bias)) as Tensor4D; // [B, H, T, S]
      const biasShape = bias.shape;
      return {
        value: tf.matMul(probs, v) as Tensor4D,
        saved: [q, k, v, probs],
        gradient: (dy, [q, k, v, probs]) => {
          // softmax: dScores = probs * (dProbs - sum(dProbs * probs))
          const dScores = tf.tidy(() => {
            const weighted = tf.mul(tf.matMul(dy, v, false, true), probs);
            return tf.sub(weighted, tf.mul(probs, tf.sum(weighted, -1, true))) as Tensor4D;
          });
          return [
            () => tf.matMul(dScores, k),
            () => tf.matMul(dScores, q, true, false),
            () => tf.matMul(probs, dy, true, false),
            () => sumToShape(dScores, biasShape),
          ];
        },
      };
    },
    q,
    k,
    v,
    bias,
  );
}
