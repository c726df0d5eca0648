// T5's relative position bias inside the graph: one table over distances, clamped where buckets end, instead of bucket arithmetic.
// `table[h, d]` is head h's bias at distance d; every distance beyond max_distance falls in the last bucket.

import { relativePositionBucket } from "../../../shared/relative-position.ts";
import type { T5Config } from "../../../shared/t5-config.ts";

/**
 * Bias per head and distance, `[H, n]` row-major. Bidirectional: n = 2 * maxDistance + 1, column c is key position minus
 * query position plus maxDistance. Causal: n = maxDistance + 1, column c is how far the query looks back.
 * `bias` is the checkpoint's `[numBuckets, H]`.
 */
export function distanceBiasTable(
  bias: Float32Array,
  config: T5Config,
  bidirectional: boolean,
): Float32Array<ArrayBuffer> {
  const { numHeads, relativeAttentionNumBuckets: buckets, relativeAttentionMaxDistance: maxDistance } = config;
  const columns = distanceColumns(config, bidirectional);
  const table = new Float32Array(numHeads * columns);
  for (let column = 0; column < columns; column++) {
    const relative = bidirectional ? column - maxDistance : -column;
    const bucket = relativePositionBucket(relative, bidirectional, buckets, maxDistance);
    for (let head = 0; head < numHeads; head++) table[head * columns + column] = bias[bucket * numHeads + head] ?? NaN;
  }
  return table;
}

/** Columns of `distanceBiasTable`. */
export function distanceColumns(config: T5Config, bidirectional: boolean): number {
  return (bidirectional ? 2 : 1) * config.relativeAttentionMaxDistance + 1;
}
