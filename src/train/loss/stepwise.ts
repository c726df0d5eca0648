// The published stepwise DPO loss: -log sigmoid((r_c - r_r) * (log p_c - log p_r)), mean over pairs.
// r are aggregated step scores (constants here: no gradient flows into the judge), log p sums over the completion's tokens.
// -log sigmoid(x) is written softplus(-x): tf.logSigmoid throws in the backward pass when its input is an intermediate.

import { type Tensor, type Tensor1D, tf } from "../tensorflow.ts";

/** Mean loss of B pairs; all arguments [B]. `scoreMargins` are r_c - r_r: zero gives no gradient, negative reverses the preference. */
export function stepwiseDpoLoss(
  policyChosenLogps: Tensor1D,
  policyRejectedLogps: Tensor1D,
  scoreMargins: Tensor1D,
): Tensor {
  return tf.mean(tf.softplus(tf.neg(tf.mul(scoreMargins, tf.sub(policyChosenLogps, policyRejectedLogps)))));
}
