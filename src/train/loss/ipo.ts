// IPO (Azar et al. 2023, arXiv:2310.12036, eq. 17, where beta is called tau): the log-ratio is drawn to a target, not to infinity.
//   L = (h - 1 / (2 beta))^2
// TRL (loss_type "ipo") averages log-probs over a completion's tokens before; the paper sums. `length_normalization` chooses.

import { type Tensor1D, tf } from "../tensorflow/tensorflow.ts";

/** Losses of B pairs, [B], from log-ratios of the pairs that beta has not multiplied. */
export function ipoLoss(pairLogRatios: Tensor1D, beta: number): Tensor1D {
  return tf.square(tf.sub(pairLogRatios, 1 / (2 * beta)));
}
