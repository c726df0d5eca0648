// Sequence log-probabilities under teacher forcing: sums over real target tokens, EOS included, padding never projected.

import type { T5Config } from "../../shared/t5-config.ts";
import { type Tensor1D, type Tensor2D, tf } from "../tensorflow.ts";
import { decoderRows, padRows } from "./batch.ts";
import { gatherRows, labelLogps } from "./gradients.ts";
import type { Parameters } from "./parameters.ts";
import { decode, type Encoded, encode, type ForwardOptions, head, type TokenBatch } from "./t5.ts";

/** Where the real tokens of padded rows lie: `positions` indexes the flat [C*T], `rows` says whose they are. */
interface RealTokens {
  positions: Int32Array;
  rows: Int32Array;
  labels: Int32Array;
}

/** Of each row, the tokens from `skip[row]` on. */
function realTokens(labels: readonly (readonly number[])[], length: number, skip: readonly number[]): RealTokens {
  const total = labels.reduce((sum, row, r) => sum + row.length - (skip[r] ?? 0), 0);
  const real = { positions: new Int32Array(total), rows: new Int32Array(total), labels: new Int32Array(total) };
  let n = 0;
  labels.forEach((row, r) => {
    row.forEach((label, t) => {
      if (t < (skip[r] ?? 0)) return;
      real.positions[n] = r * length + t;
      real.rows[n] = r;
      real.labels[n++] = label;
    });
  });
  return real;
}

/** [N] values summed by row -> [rows]. A product with a 0/1 matrix, since it has a cheap gradient on every backend. */
function sumByRow(values: Tensor1D, rows: Int32Array, count: number): Tensor1D {
  const membership = new Float32Array(count * rows.length);
  rows.forEach((row, n) => {
    membership[row * rows.length + n] = 1;
  });
  return tf.sum(tf.mul(tf.tensor2d(membership, [count, rows.length]), tf.expandDims(values, 0)), 1);
}

export interface CompletionLogpsOptions extends ForwardOptions {
  /** The prompt that each row of labels answers; default: row c answers prompt c mod B. */
  promptRows?: readonly number[];
  /** Leading tokens of each row that are given: the decoder reads them, their log-probs are left out. */
  skip?: readonly number[];
}

/**
 * Log-probabilities of completions given prompts, as one graph that tfjs can differentiate.
 * `labels` holds a whole multiple of the prompts' rows, or as many rows as `promptRows`, each ending in EOS.
 * Returns per-token values in row order (flat, padding and skipped tokens left out) and their sums [C].
 */
export function completionLogps(
  p: Parameters,
  config: T5Config,
  prompts: TokenBatch,
  labels: readonly (readonly number[])[],
  options: CompletionLogpsOptions = {},
): { tokenLogps: Tensor1D; sequenceLogps: Tensor1D } {
  return encodedLogps(p, config, encode(p, config, prompts, options), labels, options);
}

/** The same for prompts that are encoded already. */
export function encodedLogps(
  p: Parameters,
  config: T5Config,
  encoded: Encoded,
  labels: readonly (readonly number[])[],
  options: CompletionLogpsOptions = {},
): { tokenLogps: Tensor1D; sequenceLogps: Tensor1D } {
  const targets = padRows(decoderRows(labels, config), config.padTokenId);
  const hidden = decode(p, config, encoded, { ...targets, promptRows: options.promptRows }, options);
  const real = realTokens(labels, targets.length, options.skip ?? []);
  const padded = real.positions.length < targets.batch * targets.length;
  const read: Tensor2D = padded ? gatherRows(hidden, tf.tensor1d(real.positions, "int32")) : hidden;
  const tokenLogps = labelLogps(read, head(p), tf.tensor1d(real.labels, "int32"));
  return { tokenLogps, sequenceLogps: sumByRow(tokenLogps, real.rows, labels.length) };
}
