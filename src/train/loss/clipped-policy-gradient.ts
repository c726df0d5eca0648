// The clipped policy gradient (PPO, Schulman et al. 2017, arXiv:1707.06347, eq. 7) with an advantage for every token, and the penalty of
// GRPO (arXiv:2402.03300, eq. 3 and 4) for leaving the policy that wrote the samples:
//   L = -min(ratio * A, clip(ratio, 1 - e, 1 + e) * A) + beta * (exp(-d) + d - 1),   d = log(policy / old), ratio = exp(d)
// Old and reference policy are one here: the frozen start of the run.

import { type Tensor1D, tf } from "../tensorflow/tensorflow.ts";

/** Losses of N tokens, [N]; `oldLogps` and `advantages` [N] are constants. */
export function clippedPolicyLosses(
  logps: Tensor1D,
  oldLogps: Tensor1D,
  advantages: Tensor1D,
  settings: { clipRange: number; beta: number },
): Tensor1D {
  const { clipRange, beta } = settings;
  const difference = tf.sub(logps, oldLogps);
  const ratio = tf.exp(difference);
  const clipped = tf.clipByValue(ratio, 1 - clipRange, 1 + clipRange);
  const gain = tf.minimum(tf.mul(ratio, advantages), tf.mul(clipped, advantages));
  const penalty = tf.sub(tf.add(tf.exp(tf.neg(difference)), difference), 1);
  return tf.sub(tf.mul(penalty, beta), gain);
}
