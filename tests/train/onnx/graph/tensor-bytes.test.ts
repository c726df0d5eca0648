import { expect, test } from "vitest";
import {
  quantizeRows,
  rowScales,
  transposeFloats,
  transposeInt8,
} from "../../../../src/train/onnx/graph/tensor-bytes.ts";

test("a transposed matrix has rows for columns, also where tiles are cut", () => {
  expect([...transposeFloats(Float32Array.of(1, 2, 3, 4, 5, 6), 2, 3)]).toEqual([1, 4, 2, 5, 3, 6]);
  const [rows, columns] = [33, 70]; // neither a multiple of the tile
  const values = Float32Array.from({ length: rows * columns }, (_, i) => i);
  const transposed = transposeFloats(values, rows, columns);
  expect(transposed[69 * rows + 32]).toBe(32 * columns + 69);
  expect(transposeFloats(transposed, columns, rows)).toEqual(values);
  expect([...transposeInt8(Int8Array.of(1, -2, 3, -4), 2, 2)]).toEqual([1, 3, -2, -4]);
});

test("each row's largest magnitude becomes 127 and zero stays zero", () => {
  const values = Float32Array.of(1.27, -0.635, 0, 0, 0, 0, -254, 2, 1);
  expect([...rowScales(values, 3, 3)].map((scale) => Number(scale.toFixed(6)))).toEqual([0.01, 1, 2]);
  // -0.635 / 0.01 = -63.5 rounds towards zero's side of the tie; 1 / 2 = 0.5 rounds up
  const quantized = [...quantizeRows(values, 3, 3)];
  expect(quantized.slice(2)).toEqual([0, 0, 0, 0, -127, 1, 1]);
  expect(quantized[0]).toBe(127);
  expect([-63, -64]).toContain(quantized[1]);
});
