// Robust DPO (Chowdhury et al. 2024, arXiv:2403.00409, eq. 11; TRL loss_type "robust"): unbiased where a share e of the labels is swapped.
//   L = (-(1 - e) log sigmoid(u) + e log sigmoid(-u)) / (1 - 2e)

import { type Tensor1D, tf } from "../tensorflow/tensorflow.ts";

/** Losses of B pairs, [B], which may be negative; `labelSmoothing` in [0, 0.5). */
export function robustLoss(logits: Tensor1D, labelSmoothing: number): Tensor1D {
  const right = tf.mul(tf.softplus(tf.neg(logits)), 1 - labelSmoothing);
  const swapped = tf.mul(tf.softplus(logits), labelSmoothing);
  return tf.div(tf.sub(right, swapped), 1 - 2 * labelSmoothing);
}
