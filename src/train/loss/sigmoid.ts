// DPO (Rafailov et al. 2023, arXiv:2305.18290, eq. 7), with label smoothing as in cDPO (Mitchell 2023, ericmitchell.ai/cdpo.pdf, eq. 3):
//   L = -(1 - e) log sigmoid(u) - e log sigmoid(-u),   u = beta * log-ratio of the pair.
// -log sigmoid(x) is written softplus(-x): tf.logSigmoid throws in the backward pass when its input is an intermediate.

import { type Tensor1D, tf } from "../tensorflow/tensorflow.ts";

/** Losses of B pairs, [B]; `labelSmoothing` in [0, 0.5) is the assumed share of pairs whose sides are swapped. */
export function sigmoidLoss(logits: Tensor1D, labelSmoothing = 0): Tensor1D {
  const right = tf.softplus(tf.neg(logits));
  if (labelSmoothing === 0) return right;
  return tf.add(tf.mul(right, 1 - labelSmoothing), tf.mul(tf.softplus(logits), labelSmoothing));
}
