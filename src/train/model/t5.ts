// T5 as one file, read top to bottom (Raffel et al. 2020, arXiv:1910.10683; transformers modeling_t5.py).
// Activations stay flat, [B*T, D]: every projection is one plain matrix product. Attention alone sees [B, H, T, K].
// What differs from other transformers: no 1/sqrt(K) in attention, RMS norm without bias, a relative position bias that layer 0
// owns and all layers share (none in cross-attention), and outputs scaled by D^-0.5 when the head is the embedding.

import { relativePositionBuckets } from "../../shared/relative-position.ts";
import type { T5Config } from "../../shared/t5-config.ts";
import { decoderBlockGraph, encoderBlockGraph } from "../graph/blocks.ts";
import { type Tensor, type Tensor1D, type Tensor2D, type Tensor4D, tf } from "../tensorflow.ts";
import { attend } from "./attention.ts";
import { gatedGelu, gatherRows, residual, rmsNorm } from "./gradients.ts";
import { isAdapted, project } from "./low-rank.ts";
import {
  fromHeads,
  type HeadIndex,
  headIndex,
  padded,
  placesOf,
  type RowsOfTokens,
  rowsOfLengths,
  toHeads,
} from "./packed-rows.ts";
import { matrix, type Parameters, trainedWithin, vector } from "./parameters.ts";
import { recomputed } from "./recompute.ts";

/** Added to attention scores where a query must not look. */
const MASKED = -1e9;

/** A batch of token rows padded to one length; `mask` is 1 at real tokens. */
export interface TokenBatch {
  /** int32 [B * T]. */
  ids: Tensor1D;
  /** float32 [B, T]. */
  mask: Tensor2D;
  /** Real tokens of each row, at its beginning; absent: nothing is known to be padding, and everything is computed. */
  lengths?: readonly number[] | undefined;
  /** Embeddings of the real tokens [N, D], where they were looked up already. */
  embedded?: Tensor2D | undefined;
  batch: number;
  length: number;
}

/** What the encoder gives the decoder: hidden states [B*S, D] and the additive mask [B, 1, 1, S]. */
export interface Encoded {
  hidden: Tensor2D;
  maskBias: Tensor4D;
  /** The hidden states of real tokens alone [N, D], and which stand in which row; absent: all count as real. */
  packed?: { hidden: Tensor2D; rows: RowsOfTokens } | undefined;
  batch: number;
  length: number;
}

/** [B*T, H*K] -> [B, H, T, K] */
export function splitHeads(x: Tensor2D, batch: number, length: number, config: T5Config): Tensor4D {
  return tf.transpose(tf.reshape(x, [batch, length, config.numHeads, config.dKv]), [0, 2, 1, 3]) as Tensor4D;
}

/** [B, H, T, K] -> [B*T, H*K] */
export function mergeHeads(x: Tensor4D): Tensor2D {
  const [batch, heads, length, dKv] = x.shape;
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch * length, heads * dKv]);
}

/** Relative position bias [1, H, T, S] from the table [buckets, H]; `queryOffset` is the position of the first query. */
export function positionBias(
  table: Tensor2D,
  config: T5Config,
  options: { queryLength: number; keyLength: number; queryOffset?: number; bidirectional: boolean },
): Tensor4D {
  const { queryLength, keyLength } = options;
  const buckets = relativePositionBuckets({
    ...options,
    numBuckets: config.relativeAttentionNumBuckets,
    maxDistance: config.relativeAttentionMaxDistance,
  });
  const rows = gatherRows(table, tf.tensor1d(buckets, "int32")); // [T*S, H]
  return tf.expandDims(
    tf.transpose(tf.reshape(rows, [queryLength, keyLength, config.numHeads]), [2, 0, 1]),
    0,
  ) as Tensor4D;
}

/** Additive mask [B, 1, 1, S] of a padding mask [B, S]. */
export function paddingBias(mask: Tensor2D): Tensor4D {
  const [batch, length] = mask.shape;
  return tf.reshape(tf.mul(tf.sub(1, mask), MASKED), [batch, 1, 1, length]);
}

/** Additive mask [1, 1, T, T] that hides later positions. */
function causalBias(length: number): Tensor4D {
  const values = new Float32Array(length * length);
  for (let q = 0; q < length; q++) values.fill(MASKED, q * length + q + 1, (q + 1) * length);
  return tf.tensor4d(values, [1, 1, length, length]);
}

/** Feed-forward of one block: gated GELU (v1.1) or ReLU (v1.0), x [N, D] -> [N, D]. */
export function feedForward(p: Parameters, prefix: string, x: Tensor2D, config: T5Config): Tensor2D {
  const inner = config.gatedGelu
    ? gatedGelu(project(p, `${prefix}.wi_0`, x), project(p, `${prefix}.wi_1`, x))
    : tf.relu(project(p, `${prefix}.wi`, x));
  return project(p, `${prefix}.wo`, inner);
}

export function normed(p: Parameters, name: string, x: Tensor2D, config: T5Config): Tensor2D {
  return rmsNorm(x, vector(p, `${name}.weight`), config.layerNormEpsilon);
}

/** Self-attention over the tokens x [N, D] with bias [B, H, T, T]. */
function selfAttention(p: Parameters, prefix: string, x: Tensor2D, bias: Tensor4D, index: HeadIndex): Tensor2D {
  const heads = (name: string): Tensor4D => toHeads(project(p, `${prefix}.${name}`, x), index);
  return project(p, `${prefix}.o`, fromHeads(attend(heads("q"), heads("k"), heads("v"), bias), index));
}

/** Tokens of a batch by row, real ones alone where it says which. */
function tokenRows({ lengths, batch, length }: Pick<TokenBatch, "lengths" | "batch" | "length">): number[][] {
  return rowsOfLengths(lengths ?? Array.from({ length: batch }, () => length));
}

/** Embeddings of the real tokens of a batch, [N, D]. */
function embed(p: Parameters, batch: DecoderBatch, rows: RowsOfTokens): Tensor2D {
  if (batch.embedded !== undefined) return batch.embedded;
  return gatherRows(matrix(p, "shared.weight"), realIds(batch, rows));
}

/** Ids of the real tokens, [N]. */
function realIds({ ids, length }: Pick<TokenBatch, "ids" | "length">, rows: RowsOfTokens): Tensor1D {
  const places = placesOf(rows, length);
  return places.length === ids.shape[0] ? ids : tf.gather(ids, tf.tensor1d(places, "int32"));
}

/** Both batches with their embeddings, looked up in one go: the gradient to the embedding is then made once. */
export function embedTogether(
  p: Parameters,
  prompts: TokenBatch,
  targets: TokenBatch,
): { prompts: TokenBatch; targets: TokenBatch } {
  const ids = [prompts, targets].map((batch) => realIds(batch, tokenRows(batch)));
  const rows = gatherRows(matrix(p, "shared.weight"), tf.concat(ids) as Tensor1D);
  const [count = 0] = ids.map(({ size }) => size);
  const [ofPrompts, ofTargets] = [tf.slice(rows, [0, 0], [count, -1]), tf.slice(rows, [count, 0])];
  return { prompts: { ...prompts, embedded: ofPrompts }, targets: { ...targets, embedded: ofTargets } };
}

/** How a forward pass runs; its result is the same. */
export interface ForwardOptions {
  /** Keep only the inputs of each block for the backward pass, which then runs the block again: less memory, more time. */
  gradientCheckpointing?: boolean | undefined;
  /** Run each block as one graph where native TensorFlow is there (default true), else operation by operation. */
  blockGraphs?: boolean | undefined;
  /** Is shown the hidden states [B*S, D] behind each encoder block (0-based), without the final norm: what deep supervision reads. */
  onEncoderBlock?: ((hidden: Tensor2D, block: number) => void) | undefined;
  /** The same of the decoder: [C*T, D]. */
  onDecoderBlock?: ((hidden: Tensor2D, block: number) => void) | undefined;
}

/**
 * Runs the block `name` on its tensors, of which the first are differentiated by. What it makes on the way ends with it, but for what
 * the tape keeps.
 */
function runBlock<Tensors extends Tensor[]>(
  block: (...tensors: Tensors) => Tensor2D,
  tensors: Tensors,
  by: { p: Parameters; name: string; differentiated: number; options: ForwardOptions },
): Tensor2D {
  if (by.options.gradientCheckpointing !== true) return tf.tidy(() => block(...tensors));
  const parameters = trainedWithin(by.p, by.name);
  return recomputed(block, { tensors, differentiated: by.differentiated, parameters });
}

function inGraph({ blockGraphs = true }: ForwardOptions): boolean {
  return blockGraphs;
}

/** Runs the encoder over padded prompts. */
export function encode(p: Parameters, config: T5Config, prompts: TokenBatch, options: ForwardOptions = {}): Encoded {
  const { batch, length } = prompts;
  const maskBias = paddingBias(prompts.mask);
  const table = matrix(p, "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
  const positions = positionBias(table, config, { queryLength: length, keyLength: length, bidirectional: true });
  const bias = tf.add(positions, maskBias) as Tensor4D; // [B, H, S, S]
  const differentiated = isAdapted(p) ? 1 : 2; // beside an adapter the bias is a constant
  const rows = tokenRows(prompts);
  const index = headIndex(rows, length, config.numHeads);
  let x = embed(p, prompts, rows);
  for (let i = 0; i < config.numLayers; i++) {
    const name = `encoder.block.${i}`;
    const block = (x: Tensor2D, bias: Tensor4D, ...index: HeadIndex): Tensor2D =>
      (inGraph(options) ? encoderBlockGraph(p, config, name, { x, bias, index }) : undefined) ??
      encoderBlock(p, config, `${name}.layer`, { x, bias, index });
    x = runBlock(block, [x, bias, ...index], { p, name, differentiated, options });
    options.onEncoderBlock?.(padded(x, rows, length), i);
  }
  const hidden = normed(p, "encoder.final_layer_norm", x, config);
  return { hidden: padded(hidden, rows, length), maskBias, packed: { hidden, rows }, batch, length };
}

function encoderBlock(
  p: Parameters,
  config: T5Config,
  block: string,
  { x, bias, index }: { x: Tensor2D; bias: Tensor4D; index: HeadIndex },
): Tensor2D {
  const attended = residual(
    x,
    selfAttention(p, `${block}.0.SelfAttention`, normed(p, `${block}.0.layer_norm`, x, config), bias, index),
  );
  return residual(
    attended,
    feedForward(p, `${block}.1.DenseReluDense`, normed(p, `${block}.1.layer_norm`, attended, config), config),
  );
}

/** Padded decoder inputs (start token first, targets shifted right). */
export interface DecoderBatch extends Omit<TokenBatch, "mask"> {
  /** The prompt that each row belongs to; default: row c belongs to prompt c mod B, and the rows are a whole multiple of the prompts. */
  promptRows?: readonly number[] | undefined;
}

/**
 * Runs the decoder and returns the hidden states that the head reads, [C*T, D]. Rows of one prompt share its encoding, as the chosen and
 * the rejected completion do.
 */
export function decode(
  p: Parameters,
  config: T5Config,
  encoded: Encoded,
  targets: DecoderBatch,
  options: ForwardOptions = {},
): Tensor2D {
  return padded(decodeReal(p, config, encoded, targets, options), tokenRows(targets), targets.length);
}

/** The same at real tokens alone, [N, D], row by row. */
export function decodeReal(
  p: Parameters,
  config: T5Config,
  encoded: Encoded,
  targets: DecoderBatch,
  options: ForwardOptions = {},
): Tensor2D {
  const { batch, length } = targets;
  const table = matrix(p, "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
  const positions = positionBias(table, config, { queryLength: length, keyLength: length, bidirectional: false });
  const one = tf.add(positions, causalBias(length)) as Tensor4D;
  const bias = tf.tile(one, [batch, 1, 1, 1]); // once, so that each layer's gradient is a plain sum
  const { maskBias } = encoded;
  const differentiated = isAdapted(p) ? 2 : 3;
  const source = encoded.packed ?? { hidden: encoded.hidden, rows: tokenRows(encoded) };
  const rows = tokenRows(targets);
  const asked = rowsByPrompt(rows, encoded.batch, targets.promptRows);
  const longest = asked.reduce((most, row) => Math.max(most, row.length), 1);
  const self = headIndex(rows, length, config.numHeads);
  const query = headIndex(asked, longest, config.numHeads);
  const memory = headIndex(source.rows, encoded.length, config.numHeads);
  let x = embed(p, targets, rows);
  for (let i = 0; i < config.numDecoderLayers; i++) {
    const name = `decoder.block.${i}`;
    type Tensors = [Tensor2D, Tensor2D, Tensor4D, Tensor4D, ...HeadIndex, ...HeadIndex, ...HeadIndex];
    const tensors: Tensors = [x, source.hidden, bias, maskBias, ...self, ...query, ...memory];
    const block = (...[x, hidden, bias, maskBias, s0, s1, s2, q0, q1, q2, m0, m1, m2]: Tensors): Tensor2D => {
      const index = { self: [s0, s1, s2], query: [q0, q1, q2], memory: [m0, m1, m2] } satisfies DecoderInput["index"];
      const input = { x, hidden, bias, maskBias, index };
      const result = inGraph(options) ? decoderBlockGraph(p, config, name, input) : undefined;
      return result ?? decoderBlock(p, config, `${name}.layer`, input);
    };
    x = runBlock(block, tensors, { p, name, differentiated, options });
    options.onDecoderBlock?.(padded(x, rows, length), i);
  }
  return headInput(normed(p, "decoder.final_layer_norm", x, config), config);
}

/** Tokens of the rows that answer each prompt: to cross-attention, which knows no order, they are one row of queries. */
function rowsByPrompt(rows: RowsOfTokens, prompts: number, promptRows: readonly number[] | undefined): number[][] {
  const byPrompt: number[][] = Array.from({ length: prompts }, () => []);
  rows.forEach((row, c) => {
    byPrompt[promptRows?.[c] ?? c % prompts]?.push(...row);
  });
  return byPrompt;
}

/** x [N, D], encoder states `hidden` [M, D], bias [C, H, T, T], maskBias [B, 1, 1, S]. */
interface DecoderInput {
  x: Tensor2D;
  hidden: Tensor2D;
  bias: Tensor4D;
  maskBias: Tensor4D;
  /** Layouts of the decoder's rows, of their tokens as queries of each prompt, and of the prompts. */
  index: { self: HeadIndex; query: HeadIndex; memory: HeadIndex };
}

function decoderBlock(p: Parameters, config: T5Config, block: string, input: DecoderInput): Tensor2D {
  const { x, hidden, bias, maskBias, index } = input;
  const attended = residual(
    x,
    selfAttention(p, `${block}.0.SelfAttention`, normed(p, `${block}.0.layer_norm`, x, config), bias, index.self),
  );
  const cross = `${block}.1.EncDecAttention`;
  const queries = project(p, `${cross}.q`, normed(p, `${block}.1.layer_norm`, attended, config));
  const memory = (name: string): Tensor4D => toHeads(project(p, `${cross}.${name}`, hidden), index.memory);
  const answered = attend(toHeads(queries, index.query), memory("k"), memory("v"), maskBias);
  const read = project(p, `${cross}.o`, fromHeads(answered, index.query));
  const seen = residual(attended, read);
  return residual(
    seen,
    feedForward(p, `${block}.2.DenseReluDense`, normed(p, `${block}.2.layer_norm`, seen, config), config),
  );
}

/** The scale that T5 v1.0 puts before a tied head, applied to the hidden states [N, D]; the config's flag decides, not the weights. */
export function headInput(hidden: Tensor2D, config: T5Config): Tensor2D {
  return config.tieWordEmbeddings ? tf.mul(hidden, config.dModel ** -0.5) : hidden;
}

/** The vocabulary projection [V, D]: the checkpoint's own head, or the embedding. */
export function head(p: Parameters): Tensor2D {
  return matrix(p, "lm_head.weight" in p ? "lm_head.weight" : "shared.weight");
}
