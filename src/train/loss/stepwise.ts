// The published stepwise DPO loss: -log sigmoid((r_c - r_r) * (log p_c - log p_r)), mean over pairs.
// r are aggregated step scores (constants here: no gradient flows into the judge), log p sums over the completion's tokens.
// It is DPO's loss without a reference, its log-ratio scaled by the score margin. Settings bend it: beta, a reference, another role of the
// margin, label smoothing.

import { type Tensor, type Tensor1D, tf } from "../tensorflow/tensorflow.ts";
import { marginLogits } from "./score-margin.ts";
import type { LossSettings } from "./settings.ts";
import { sigmoidLoss } from "./sigmoid.ts";

/** The settings that the loss reads. */
export type StepwiseSettings = Pick<LossSettings, "beta" | "marginRole" | "odpoAlpha" | "labelSmoothing">;

const PUBLISHED: StepwiseSettings = { beta: 1, marginRole: "scale", odpoAlpha: 0, labelSmoothing: 0 };

/** Losses of B pairs, [B], from the pairs' log-ratios [B] and score margins [B]: what training runs, published as the default settings are. */
export function stepwiseDpoLosses(
  pairLogRatios: Tensor1D,
  scoreMargins: Tensor1D,
  settings: StepwiseSettings = PUBLISHED,
): Tensor1D {
  return sigmoidLoss(marginLogits(pairLogRatios, scoreMargins, settings), settings.labelSmoothing);
}

/** Mean published loss of B pairs; all arguments [B]. `scoreMargins` are r_c - r_r: zero gives no gradient, negative reverses the preference. */
export function stepwiseDpoLoss(
  policyChosenLogps: Tensor1D,
  policyRejectedLogps: Tensor1D,
  scoreMargins: Tensor1D,
): Tensor {
  return tf.mean(stepwiseDpoLosses(tf.sub(policyChosenLogps, policyRejectedLogps), scoreMargins));
}
