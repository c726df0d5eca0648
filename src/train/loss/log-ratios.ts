// From log-probabilities to what preference losses read: log-ratios against a reference, sums or means per token.

import { type Tensor1D, tf } from "../tensorflow/tensorflow.ts";

/** A value a pair for each side, [B] both. */
export interface Sides {
  chosen: Tensor1D;
  rejected: Tensor1D;
}

/** log(policy / reference) of each completion, [B]; without a reference the policy's log-probs themselves (TRL's reference_free). */
export function logRatios(policyLogps: Tensor1D, refLogps: Tensor1D | undefined): Tensor1D {
  return refLogps === undefined ? policyLogps : tf.sub(policyLogps, refLogps);
}

/** Sums over a completion's tokens to means per token: `values` [B] over `lengths` [B] (tokens that were summed, EOS included). */
export function perToken(values: Tensor1D, lengths: Tensor1D): Tensor1D {
  return tf.div(values, lengths);
}
