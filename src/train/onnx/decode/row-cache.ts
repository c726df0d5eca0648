// Keys or values of the positions decoded so far, [B, H, C, K] in one buffer: new positions are written into room left for them, so
// that no step copies the cache. The room grows in blocks; slots beyond `length` hold finite leftovers, which the graph masks.

import type { T5Config } from "../../../shared/t5-config.ts";

const BLOCK = 16;

export interface RowCache {
  /** `[B, H, C, K]` as it stands, a view. */
  values(): { data: Float32Array; dims: number[] };
  /** Adds `[B, H, T, K]`. */
  append(rows: Float32Array, count: number): void;
  /** Goes on with only these rows of the batch (ascending). */
  keep(rows: readonly number[]): void;
}

/** An empty cache for a batch of `rows`, up to `maxLength` positions. */
export function createRowCache(config: T5Config, rows: number, maxLength: number): RowCache {
  const { numHeads, dKv } = config;
  const room = (length: number): number => Math.ceil((length + 1) / BLOCK) * BLOCK;
  const buffer = new Float32Array(rows * numHeads * room(maxLength) * dKv);
  let batch = rows;
  let length = 0;
  let capacity = BLOCK;

  /** Moves every head's positions apart, from the back so that nothing is overwritten before it is moved. */
  const grow = (wanted: number): void => {
    for (let head = batch * numHeads - 1; head >= 0; head--) {
      const from = head * capacity * dKv;
      buffer.copyWithin(head * wanted * dKv, from, from + length * dKv);
    }
    capacity = wanted;
  };

  return {
    values: () => ({
      data: buffer.subarray(0, batch * numHeads * capacity * dKv),
      dims: [batch, numHeads, capacity, dKv],
    }),
    append(added, count) {
      if (length + count > capacity) grow(room(length + count));
      const size = count * dKv;
      for (let head = 0; head < batch * numHeads; head++) {
        const to = (head * capacity + length) * dKv;
        for (let i = 0; i < size; i++) buffer[to + i] = added[head * size + i] ?? 0;
      }
      length += count;
    },
    keep(kept) {
      const size = numHeads * capacity * dKv;
      kept.forEach((row, i) => {
        buffer.copyWithin(i * size, row * size, (row + 1) * size);
      });
      batch = kept.length;
    },
  };
}
