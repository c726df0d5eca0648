// The losses in which every step has its own part, of a micro-batch of pairs: token log-probs, each weighted by its step's credit.

import { clippedPolicyLosses } from "../../loss/clipped-policy-gradient.ts";
import type { Sides } from "../../loss/log-ratios.ts";
import { type PairBatch, preferenceLoss } from "../../loss/preference-loss.ts";
import type { LossSettings } from "../../loss/settings.ts";
import { sumByRow } from "../../model/logps.ts";
import { type Tensor, type Tensor1D, tf } from "../../tensorflow/tensorflow.ts";
import type { BySide } from "./token-credit.ts";

/** What a step loss reads of a pair beside its tokens: one value a token that counts. */
export interface CreditedPair {
  credit: BySide<number[]>;
  /** Log-probs under the frozen start; undefined: without a reference. */
  reference: BySide<number[]> | undefined;
  /** Both sides are one sample, which stands alone: each counts half. */
  alone?: boolean;
}

interface Flat {
  values: Float32Array;
  rows: Int32Array;
}

/** Values of all chosen rows, then of all rejected ones, and the row of each. */
function flat(pairs: readonly (BySide<number[]> | undefined)[]): Flat {
  const rows = (["chosen", "rejected"] as const).flatMap((side) => pairs.map((pair) => pair?.[side] ?? []));
  return {
    values: Float32Array.from(rows.flat()),
    rows: Int32Array.from(rows.flatMap((row, r) => row.map(() => r))),
  };
}

/** `tokenLogps` [N]: of the chosen rows, then of the rejected ones, in the order of the pairs. Returns what the loss reads of them. */
function weightedBatch(tokenLogps: Tensor1D, pairs: readonly CreditedPair[]): PairBatch {
  const count = pairs.length;
  const { values, rows } = flat(pairs.map(({ credit }) => credit));
  const credit = tf.tensor1d(values);
  const sides = (tokens: Tensor1D): Sides => {
    const sums = sumByRow(tokens, rows, 2 * count);
    return { chosen: tf.slice(sums, 0, count) as Tensor1D, rejected: tf.slice(sums, count, count) as Tensor1D };
  };
  const hasReference = pairs.every(({ reference }) => reference !== undefined);
  const reference = flat(pairs.map((pair) => pair.reference));
  const lengths = sides(tf.onesLike(credit));
  return {
    policy: sides(tf.mul(tokenLogps, credit)),
    reference: hasReference ? sides(tf.mul(tf.tensor1d(reference.values), credit)) : undefined,
    lengths,
    scoreMargins: tf.zeros([count]),
    sft: { logps: sides(tokenLogps).chosen, lengths: lengths.chosen },
  };
}

/**
 * Mean over the pairs, both sides counting the same, each the mean over its tokens. The sides of a sample that stands alone have half of
 * its advantages each; taken twice at half the weight, gain and penalty count once.
 */
function clippedLoss(tokenLogps: Tensor1D, pairs: readonly CreditedPair[], settings: LossSettings): Tensor {
  const { values, rows } = flat(pairs.map(({ credit }) => credit));
  const weights = Float32Array.from(rows, (row) => (pairs[row % pairs.length]?.alone === true ? 0.5 : 1));
  const advantages = values.map((value, i) => value / (weights[i] ?? 1));
  const old = flat(pairs.map(({ reference }) => reference)).values;
  const each = clippedPolicyLosses(tokenLogps, tf.tensor1d(old), tf.tensor1d(advantages), settings);
  const losses = tf.mul(each, tf.tensor1d(weights)) as Tensor1D;
  const counts = sumByRow(tf.onesLike(losses), rows, 2 * pairs.length);
  return tf.mean(tf.div(sumByRow(losses, rows, 2 * pairs.length), counts));
}

/** Loss of the pairs, its SFT term where there is one, and the batch of which implicit rewards are read (not of `grpo`). */
export function stepLoss(
  tokenLogps: Tensor1D,
  pairs: readonly CreditedPair[],
  settings: LossSettings,
): { loss: Tensor; nll: Tensor | undefined; batch: PairBatch | undefined } {
  if (settings.lossType === "grpo")
    return { loss: clippedLoss(tokenLogps, pairs, settings), nll: undefined, batch: undefined };
  const batch = weightedBatch(tokenLogps, pairs);
  return { ...preferenceLoss(batch, settings), batch };
}
