// Hinge loss on the pair's log-ratio (SLiC, Zhao et al. 2023, arXiv:2305.10425; RSO, Liu et al. 2023, arXiv:2309.06657; TRL "hinge"):
//   L = max(0, 1 - u)

import { type Tensor1D, tf } from "../tensorflow/tensorflow.ts";

/** Losses of B pairs, [B]; no gradient once a pair is separated by 1 / beta. */
export function hingeLoss(logits: Tensor1D): Tensor1D {
  return tf.relu(tf.sub(1, logits));
}
