// SimPO (Meng et al. 2024, arXiv:2405.14734, eq. 6; TRL CPOTrainer loss_type "simpo"): no reference, mean log-probs per token, and
// a margin gamma that the chosen side must lead by:
//   L = -log sigmoid(u - gamma),   u = beta * (log p_c / |c| - log p_r / |r|)

import { type Tensor1D, tf } from "../tensorflow/tensorflow.ts";
import { sigmoidLoss } from "./sigmoid.ts";

/** Losses of B pairs, [B]; `logits` are beta times the difference of mean log-probs. */
export function simpoLoss(logits: Tensor1D, gamma: number, labelSmoothing = 0): Tensor1D {
  return sigmoidLoss(tf.sub(logits, gamma), labelSmoothing);
}
