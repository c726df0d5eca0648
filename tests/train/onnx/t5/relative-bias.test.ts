import { expect, test } from "vitest";
import { parseT5Config } from "../../../../src/shared/t5-config.ts";
import { distanceBiasTable, distanceColumns } from "../../../../src/train/onnx/t5/relative-bias.ts";

const config = parseT5Config({ vocab_size: 8, d_model: 4, d_kv: 2, d_ff: 4, num_layers: 1, num_heads: 2 });
// bias of bucket b: 10 * b for head 0, 10 * b + 1 for head 1
const bias = Float32Array.from({ length: 32 * 2 }, (_, i) => 10 * (i >> 1) + (i & 1));

test("looking back, distances up to 15 have their own bucket and 128 the last one", () => {
  const table = distanceBiasTable(bias, config, false);
  const columns = distanceColumns(config, false);
  expect(columns).toBe(129);
  expect([...table.slice(0, 17)]).toEqual([0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120, 130, 140, 150, 160]);
  expect(table[128]).toBe(310);
  expect(table[columns + 3]).toBe(31);
});

test("both ways, keys behind use buckets 0 to 15 and keys ahead 16 to 31", () => {
  const table = distanceBiasTable(bias, config, true);
  const columns = distanceColumns(config, true);
  expect(columns).toBe(257);
  const at = (relative: number) => table[128 + relative];
  expect([at(0), at(-1), at(-7), at(-128)]).toEqual([0, 10, 70, 150]);
  expect([at(1), at(7), at(128)]).toEqual([170, 230, 310]);
});
