// The embedding of the worker's own form: rows of int8 with one scale per 32 values (per row where the width is no multiple), looked up in JavaScript. Rounding the embedding
// weighs more than rounding any other matrix (int8-plan.ts); scales of short groups cost an eighth of a byte per value.

import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { LEAN_EMBEDDING_GROUP } from "../../shared/onnx-names.ts";
import type { WrittenFile } from "./model-file.ts";
import { bytesOf, quantizeRows, rowScales } from "./tensor-bytes.ts";

/** Writes the table `[V, D]` (int8) and its scales `[V, D / 32]` (float32); returns both files. */
export async function writeLeanEmbedding(
  table: Float32Array,
  [rows, columns]: readonly [number, number],
  paths: { values: string; scales: string },
): Promise<{ values: WrittenFile; scales: WrittenFile }> {
  // a width that is no multiple of 32 has one scale a row
  const group = columns % LEAN_EMBEDDING_GROUP === 0 ? LEAN_EMBEDDING_GROUP : columns;
  const groups = (rows * columns) / group;
  return {
    values: await write(paths.values, bytesOf(quantizeRows(table, groups, group))),
    scales: await write(paths.scales, bytesOf(rowScales(table, groups, group))),
  };
}

async function write(path: string, bytes: Uint8Array): Promise<WrittenFile> {
  await writeFile(path, bytes, { flush: true });
  return { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}
