// What is added to attention scores: the relative position bias, and large negative numbers where a query must not look.

import { relativePositionBuckets } from "../../shared/relative-position.ts";
import type { T5Config } from "../../shared/t5-config.ts";
import { type Tensor2D, type Tensor4D, tf } from "../tensorflow/tensorflow.ts";
import { gatherRows } from "./layers.ts";

/** Added to attention scores where a query must not look. */
const MASKED = -1e9;

/** Relative position bias [1, H, T, S] from the table [buckets, H]; `queryOffset` is the position of the first query. */
export function positionBias(
  table: Tensor2D,
  config: T5Config,
  options: { queryLength: number; keyLength: number; queryOffset?: number; bidirectional: boolean },
): Tensor4D {
  const { queryLength, keyLength } = options;
  const buckets = relativePositionBuckets({
    ...options,
    numBuckets: config.relativeAttentionNumBuckets,
    maxDistance: config.relativeAttentionMaxDistance,
  });
  const rows = gatherRows(table, tf.tensor1d(buckets, "int32")); // [T*S, H]
  return tf.expandDims(
    tf.transpose(tf.reshape(rows, [queryLength, keyLength, config.numHeads]), [2, 0, 1]),
    0,
  ) as Tensor4D;
}

/** Additive mask [B, 1, 1, S] of a padding mask [B, S]. */
export function paddingBias(mask: Tensor2D): Tensor4D {
  const [batch, length] = mask.shape;
  return tf.reshape(tf.mul(tf.sub(1, mask), MASKED), [batch, 1, 1, length]);
}

/** Additive mask [1, 1, T, T] that hides later positions. */
export function causalBias(length: number): Tensor4D {
  const values = new Float32Array(length * length);
  for (let q = 0; q < length; q++) values.fill(MASKED, q * length + q + 1, (q + 1) * length);
  return tf.tensor4d(values, [1, 1, length, length]);
}
