// Sequence log-probabilities under teacher forcing: sums over real target tokens, EOS included, padding never projected.

import type { T5Config } from "../../shared/t5-config.ts";
import { withGradient } from "../tensorflow/tape/custom-gradient.ts";
import { type Tensor1D, type Tensor2D, tf } from "../tensorflow/tensorflow.ts";
import { decoderRows, padRows } from "./batch.ts";
import { gatherRows, labelLogps } from "./layers.ts";
import { isAdapted } from "./low-rank.ts";
import type { Parameters } from "./parameters.ts";
import { decodeReal, encode, type ForwardOptions, head } from "./t5.ts";
import { type Encoded, embedTogether, type TokenBatch } from "./token-batch.ts";

/** The label tokens that count, in row order: of each row, those from `skip[row]` on. */
interface CountedTokens {
  /** Number of each among all label tokens. */
  positions: Int32Array;
  /** Whose they are. */
  rows: Int32Array;
  labels: Int32Array;
}

function countedTokens(labels: readonly (readonly number[])[], skip: readonly number[]): CountedTokens {
  const total = labels.reduce((sum, row, r) => sum + row.length - (skip[r] ?? 0), 0);
  const counted = { positions: new Int32Array(total), rows: new Int32Array(total), labels: new Int32Array(total) };
  let n = 0;
  let start = 0;
  labels.forEach((row, r) => {
    for (let t = skip[r] ?? 0; t < row.length; t++) {
      counted.positions[n] = start + t;
      counted.rows[n] = r;
      counted.labels[n++] = row[t] ?? 0;
    }
    start += row.length;
  });
  return counted;
}

/**
 * [N] values summed by row -> [rows]. Sums are made in float64 and rounded once: WebAssembly adds one value after the other in float32,
 * which puts the log-prob of a completion of 25 tokens off by 1e-5, and that of a longer one by more.
 */
export function sumByRow(values: Tensor1D, rows: Int32Array, count: number): Tensor1D {
  return withGradient<[Tensor1D], [], Tensor1D>((values) => {
    const sums = new Float64Array(count);
    values.dataSync().forEach((value, n) => {
      const row = rows[n] ?? 0;
      sums[row] = (sums[row] ?? 0) + value;
    });
    return {
      value: tf.tensor1d(Float32Array.from(sums)),
      saved: [],
      gradient: (dy) => [() => tf.gather(dy, tf.tensor1d(rows, "int32"))],
    };
  }, values);
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
  { prompts, labels }: { prompts: TokenBatch; labels: readonly (readonly number[])[] },
  options: CompletionLogpsOptions = {},
): { tokenLogps: Tensor1D; sequenceLogps: Tensor1D } {
  const batches = embedTogether(p, prompts, padRows(decoderRows(labels, config), config.padTokenId));
  const encoded = encode(p, config, batches.prompts, options);
  return logpsOf(p, config, { encoded, targets: batches.targets, labels }, options);
}

/** The same for prompts that are encoded already. */
export function encodedLogps(
  p: Parameters,
  config: T5Config,
  { encoded, labels }: { encoded: Encoded; labels: readonly (readonly number[])[] },
  options: CompletionLogpsOptions = {},
): { tokenLogps: Tensor1D; sequenceLogps: Tensor1D } {
  const targets = padRows(decoderRows(labels, config), config.padTokenId);
  return logpsOf(p, config, { encoded, targets, labels }, options);
}

function logpsOf(
  p: Parameters,
  config: T5Config,
  { encoded, targets, labels }: { encoded: Encoded; targets: TokenBatch; labels: readonly (readonly number[])[] },
  options: CompletionLogpsOptions,
): { tokenLogps: Tensor1D; sequenceLogps: Tensor1D } {
  const hidden = decodeReal(p, config, { encoded, targets: { ...targets, promptRows: options.promptRows } }, options);
  const counted = countedTokens(labels, options.skip ?? []);
  const all = counted.positions.length === hidden.shape[0];
  const read: Tensor2D = all ? hidden : gatherRows(hidden, tf.tensor1d(counted.positions, "int32"));
  const tokenLogps = labelLogps(read, head(p), tf.tensor1d(counted.labels, "int32"), isAdapted(p));
  return { tokenLogps, sequenceLogps: sumByRow(tokenLogps, counted.rows, labels.length) };
}
