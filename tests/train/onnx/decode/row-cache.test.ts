// The cache against plain arrays: positions appended one by one, rows dropped in between, across several growths of its room.

import { expect, test } from "vitest";
import { parseT5Config } from "../../../../src/shared/t5-config.ts";
import { createRowCache } from "../../../../src/train/onnx/decode/row-cache.ts";

const config = parseT5Config({ vocab_size: 9, d_model: 4, d_kv: 2, d_ff: 4, num_layers: 1, num_heads: 3 });

test("holds every position of the rows that are kept, and some room beyond", () => {
  const cache = createRowCache(config, 4, 50);
  let names = [0, 1, 2, 3];
  /** The value of row `name`, head h, position t, part k. */
  const value = (name: number, h: number, t: number, k: number): number => name * 1000 + h * 300 + t * 2 + k;
  let length = 0;
  for (const [count, drop] of [[3], [14], [1, 1], [20], [5, 0], [1]] as const) {
    const added = names.flatMap((name) =>
      [0, 1, 2].flatMap((h) => Array.from({ length: count * 2 }, (_, i) => value(name, h, length + (i >> 1), i % 2))),
    );
    cache.append(Float32Array.from(added), count);
    length += count;
    if (drop !== undefined) {
      const kept = names.map((_, i) => i).filter((i) => names[i] !== drop);
      names = kept.map((i) => names[i] ?? 0);
      cache.keep(kept);
    }
    const { data, dims } = cache.values();
    const capacity = dims[2] ?? 0;
    expect(dims).toEqual([names.length, 3, capacity, 2]);
    expect(capacity).toBeGreaterThanOrEqual(length);
    expect(data).toHaveLength(names.length * 3 * capacity * 2);
    names.forEach((name, row) => {
      for (const h of [0, 1, 2]) {
        for (let t = 0; t < length; t++)
          expect(data[((row * 3 + h) * capacity + t) * 2 + 1]).toBe(value(name, h, t, 1));
      }
    });
    expect(data.every(Number.isFinite)).toBe(true);
  }
});
