// Supervised fine-tuning on the chosen side: alone (loss_type "sft"), or as a term beside a preference loss (TRL's rpo_alpha;
// Pang et al. 2024, arXiv:2404.19733, eq. 1). Per token within a completion, then the mean over pairs, as in that paper:
// TRL's own term is the mean over all tokens of a batch, which would make 1 x 8 pairs differ from 8 x 1.

import { type Tensor1D, tf } from "../tensorflow/tensorflow.ts";

/** Negative log-likelihoods of B completions, [B], from sums or means of their tokens' log-probs. */
export function sftLoss(chosenLogps: Tensor1D): Tensor1D {
  return tf.neg(chosenLogps);
}
