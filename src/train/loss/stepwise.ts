// The published stepwise DPO loss: -log sigmoid((r_c - r_r) * (log p_c - log p_r)), mean over pairs.
// r are aggregated step scores (constants here: no gradient flows into the judge), log p sums over the completion's tokens.
// It is DPO's loss without a reference, its log-ratio scaled by the score margin.

import { type Tensor, type Tensor1D, tf } from "../tensorflow/tensorflow.ts";
import { marginLogits } from "./score-margin.ts";
import { sigmoidLoss } from "./sigmoid.ts";

/** Mean loss of B pairs; all arguments [B]. `scoreMargins` are r_c - r_r: zero gives no gradient, negative reverses the preference. */
export function stepwiseDpoLoss(
  policyChosenLogps: Tensor1D,
  policyRejectedLogps: Tensor1D,
  scoreMargins: Tensor1D,
): Tensor {
  const pairLogRatios: Tensor1D = tf.sub(policyChosenLogps, policyRejectedLogps);
  return tf.mean(
    sigmoidLoss(marginLogits(pairLogRatios, scoreMargins, { beta: 1, marginRole: "scale", odpoAlpha: 0 })),
  );
}
