// The loss of a batch of pairs under the run's settings: log-ratios, the score margin's role, one loss of the family, the SFT term.

import { type Tensor, type Tensor1D, tf } from "../tensorflow/tensorflow.ts";
import { hingeLoss } from "./hinge.ts";
import { ipoLoss } from "./ipo.ts";
import { logRatios, perToken, type Sides } from "./log-ratios.ts";
import { robustLoss } from "./robust.ts";
import { marginLogits, weightByMargin } from "./score-margin.ts";
import type { LossSettings } from "./settings.ts";
import { sftLoss } from "./sft.ts";
import { sigmoidLoss } from "./sigmoid.ts";
import { simpoLoss } from "./simpo.ts";
import { stepwiseDpoLosses } from "./stepwise.ts";

/** B pairs as the losses read them; every tensor [B]. */
export interface PairBatch {
  /** Sums of log-probs. */
  policy: Sides;
  /** The frozen start's, as sums; undefined: reference_free. */
  reference: Sides | undefined;
  /** Tokens summed over. */
  lengths: Sides;
  scoreMargins: Tensor1D;
  /** What the SFT term reads where that is not the chosen side's `policy` and `lengths`: plain sums, when `policy` is weighted by step. */
  sft?: { logps: Tensor1D; lengths: Tensor1D } | undefined;
}

/** log(policy / reference) of both sides, per token where the settings say so: the implicit rewards before beta. */
export function sideLogRatios(batch: PairBatch, settings: LossSettings): Sides {
  const { policy, reference, lengths } = batch;
  const ofSide = (side: keyof Sides): Tensor1D => {
    const ratios = logRatios(policy[side], reference?.[side]);
    return settings.lengthNormalization ? perToken(ratios, lengths[side]) : ratios;
  };
  return { chosen: ofSide("chosen"), rejected: ofSide("rejected") };
}

/** Losses [B] of a preference loss, without the SFT term. */
function preferenceLosses(batch: PairBatch, settings: LossSettings): Tensor1D {
  const { chosen, rejected } = sideLogRatios(batch, settings);
  const pairLogRatios: Tensor1D = tf.sub(chosen, rejected);
  const logits = (): Tensor1D => marginLogits(pairLogRatios, batch.scoreMargins, settings);
  switch (settings.lossType) {
    case "stepwise":
      return stepwiseDpoLosses(pairLogRatios, batch.scoreMargins, settings);
    case "sigmoid":
    case "full_step":
    case "first_error":
      return sigmoidLoss(logits(), settings.labelSmoothing);
    case "ipo":
      return ipoLoss(pairLogRatios, settings.beta);
    case "hinge":
      return hingeLoss(logits());
    case "robust":
      return robustLoss(logits(), settings.labelSmoothing);
    case "simpo":
      return simpoLoss(logits(), settings.simpoGamma, settings.labelSmoothing);
    case "sft":
      return sftLoss(
        settings.lengthNormalization ? perToken(batch.policy.chosen, batch.lengths.chosen) : batch.policy.chosen,
      );
    case "grpo":
      throw new TypeError("preferenceLosses: grpo has no pairs; see clipped-policy-gradient.ts");
  }
}

/** Mean loss of the pairs, a scalar, and the mean of its SFT term where there is one. */
export function preferenceLoss(batch: PairBatch, settings: LossSettings): { loss: Tensor; nll: Tensor | undefined } {
  const losses = preferenceLosses(batch, settings);
  const mean = tf.mean(settings.marginRole === "weight" ? weightByMargin(losses, batch.scoreMargins) : losses);
  if (settings.rpoAlpha === null) return { loss: mean, nll: undefined };
  const { logps, lengths } = batch.sft ?? { logps: batch.policy.chosen, lengths: batch.lengths.chosen };
  const nll = tf.mean(sftLoss(perToken(logps, lengths)));
  return { loss: tf.add(mean, tf.mul(nll, settings.rpoAlpha)), nll };
}
