// Rows of token ids to padded tensors.

import type { T5Config } from "../../shared/t5-config.ts";
import { tf } from "../tensorflow/tensorflow.ts";
import type { TokenBatch } from "./token-batch.ts";

/** Pads rows with `padTokenId` to the longest; the caller disposes (or runs inside tf.tidy). Rows must not be empty. */
export function padRows(rows: readonly (readonly number[])[], padTokenId: number): TokenBatch {
  const length = rows.reduce((longest, row) => Math.max(longest, row.length), 0);
  const ids = new Int32Array(rows.length * length).fill(padTokenId);
  const mask = new Float32Array(rows.length * length);
  rows.forEach((row, r) => {
    ids.set(row, r * length);
    mask.fill(1, r * length, r * length + row.length);
  });
  return {
    ids: tf.tensor1d(ids, "int32"),
    mask: tf.tensor2d(mask, [rows.length, length]),
    lengths: rows.map((row) => row.length),
    batch: rows.length,
    length,
  };
}

/** Targets for teacher forcing: decoder inputs are the start token, then the labels but for the last; labels themselves are not shifted. */
export function decoderRows(labels: readonly (readonly number[])[], config: T5Config): number[][] {
  return labels.map((row) => [config.decoderStartTokenId, ...row.slice(0, -1)]);
}
