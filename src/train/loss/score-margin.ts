// What a reward model's score margins r_c - r_r do in a preference loss (`margin_role`):
//   scale   u = beta * margin * h: the published stepwise form
//   offset  u = beta * h - alpha * margin: the chosen side must lead by more where the scores do (ODPO, Amini et al. 2024,
//           arXiv:2402.10571, eq. 8, with the identity for its f: our scores lie in [0, 1])
//   weight  u = beta * h, and the pair's loss is multiplied by its margin
//   none    u = beta * h

import { type Tensor1D, tf } from "../tensorflow/tensorflow.ts";
import type { MarginRole } from "./settings.ts";

/** Logits u [B] from the pairs' log-ratios h [B] and score margins [B]. */
export function marginLogits(
  pairLogRatios: Tensor1D,
  scoreMargins: Tensor1D,
  settings: { beta: number; marginRole: MarginRole; odpoAlpha: number },
): Tensor1D {
  const { beta, marginRole, odpoAlpha } = settings;
  if (marginRole === "scale") return tf.mul(tf.mul(scoreMargins, beta), pairLogRatios);
  const scaled: Tensor1D = tf.mul(pairLogRatios, beta);
  return marginRole === "offset" ? tf.sub(scaled, tf.mul(scoreMargins, odpoAlpha)) : scaled;
}

/** Losses [B] multiplied by their margins; a negative margin would make the loss unbounded below, so settings refuse margin mode raw. */
export function weightByMargin(losses: Tensor1D, scoreMargins: Tensor1D): Tensor1D {
  return tf.mul(losses, scoreMargins);
}
