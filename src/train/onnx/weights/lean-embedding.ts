// The embedding of the worker's own form: rows of int8 with one scale per 32 values (per row where the width is no multiple), looked up in
// JavaScript. Rounding the embedding weighs more than rounding any other matrix (int8-plan.ts); scales of short groups cost two bytes in 32:
// they are bfloat16, the upper half of a float32, rounded up before the values are divided by them, so that nothing is lost.

import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { LEAN_EMBEDDING_GROUP } from "../../../shared/onnx-names.ts";
import type { WrittenFile } from "../graph/model-file.ts";
import { bytesOf, rowScales } from "../graph/tensor-bytes.ts";

/** Writes the table as it is, float32, and no scales: for a model whose plan leaves its embedding so (int8-plan.ts). */
export async function writeFloatEmbedding(
  table: Float32Array<ArrayBuffer>,
  paths: { values: string; scales: string },
): Promise<{ values: WrittenFile; scales: WrittenFile }> {
  return { values: await write(paths.values, bytesOf(table)), scales: await write(paths.scales, new Uint8Array()) };
}

/** Writes the table `[V, D]` (int8) and its scales `[V, D / 32]` (bfloat16); returns both files. */
export async function writeLeanEmbedding(
  table: Float32Array,
  [rows, columns]: readonly [number, number],
  paths: { values: string; scales: string },
): Promise<{ values: WrittenFile; scales: WrittenFile }> {
  // a width that is no multiple of 32 has one scale a row
  const group = columns % LEAN_EMBEDDING_GROUP === 0 ? LEAN_EMBEDDING_GROUP : columns;
  const scales = roundUpToBfloat16(rowScales(table, (rows * columns) / group, group));
  const values = new Int8Array(table.length);
  for (let i = 0; i < table.length; i++) values[i] = Math.round((table[i] ?? 0) / (scales[Math.floor(i / group)] ?? 1));
  const bits = new Uint32Array(scales.buffer);
  return {
    values: await write(paths.values, bytesOf(values)),
    scales: await write(paths.scales, new Uint8Array(Uint16Array.from(bits, (word) => word >>> 16).buffer)),
  };
}

/** Positive values, each the least bfloat16 that is not below it. */
function roundUpToBfloat16(values: Float32Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const bits = new Uint32Array(values.slice().buffer);
  return new Float32Array(bits.map((word) => (word + 0xffff) & 0xffff0000).buffer);
}

async function write(path: string, bytes: Uint8Array): Promise<WrittenFile> {
  await writeFile(path, bytes, { flush: true });
  return { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}
