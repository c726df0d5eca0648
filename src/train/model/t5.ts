// T5 as one file, read top to bottom (Raffel et al. 2020, arXiv:1910.10683; transformers modeling_t5.py).
// Activations stay flat, [B*T, D]: every projection is one plain matrix product. Attention alone sees [B, H, T, K].
// What differs from other transformers: no 1/sqrt(K) in attention, RMS norm without bias, a relative position bias that layer 0
// owns and all layers share (none in cross-attention), and outputs scaled by D^-0.5 when the head is the embedding.

import { relativePositionBuckets } from "../../shared/relative-position.ts";
import type { T5Config } from "../../shared/t5-config.ts";
import { type Tensor, type Tensor1D, type Tensor2D, type Tensor4D, tf } from "../tensorflow.ts";
import { attend } from "./attention.ts";
import { gatedGelu, gatherRows, residual, rmsNorm } from "./gradients.ts";
import { isAdapted, project } from "./low-rank.ts";
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
  batch: number;
  length: number;
}

/** What the encoder gives the decoder: hidden states [B*S, D] and the additive mask [B, 1, 1, S]. */
export interface Encoded {
  hidden: Tensor2D;
  maskBias: Tensor4D;
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

/** Self-attention over x [B*T, D] with bias [B, H, T, T]. */
function selfAttention(p: Parameters, prefix: string, x: Tensor2D, bias: Tensor4D, config: T5Config): Tensor2D {
  const [batch, , length] = bias.shape;
  const heads = (name: string): Tensor4D => splitHeads(project(p, `${prefix}.${name}`, x), batch, length, config);
  return project(p, `${prefix}.o`, mergeHeads(attend(heads("q"), heads("k"), heads("v"), bias)));
}

/** How a forward pass runs; its result is the same. */
export interface ForwardOptions {
  /** Keep only the inputs of each block for the backward pass, which then runs the block again: less memory, more time. */
  gradientCheckpointing?: boolean | undefined;
  /** Is shown the hidden states [B*S, D] behind each encoder block (0-based), without the final norm: what deep supervision reads. */
  onEncoderBlock?: ((hidden: Tensor2D, block: number) => void) | undefined;
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

/** Runs the encoder over padded prompts. */
export function encode(p: Parameters, config: T5Config, prompts: TokenBatch, options: ForwardOptions = {}): Encoded {
  const { batch, length } = prompts;
  const maskBias = paddingBias(prompts.mask);
  const table = matrix(p, "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
  const positions = positionBias(table, config, { queryLength: length, keyLength: length, bidirectional: true });
  const bias = tf.add(positions, maskBias) as Tensor4D; // [B, H, S, S]
  const differentiated = isAdapted(p) ? 1 : 2; // beside an adapter the bias is a constant
  let x = gatherRows(matrix(p, "shared.weight"), prompts.ids);
  for (let i = 0; i < config.numLayers; i++) {
    const name = `encoder.block.${i}`;
    const block = (x: Tensor2D, bias: Tensor4D): Tensor2D => encoderBlock(p, config, `${name}.layer`, x, bias);
    x = runBlock(block, [x, bias], { p, name, differentiated, options });
    options.onEncoderBlock?.(x, i);
  }
  return { hidden: normed(p, "encoder.final_layer_norm", x, config), maskBias, batch, length };
}

function encoderBlock(p: Parameters, config: T5Config, block: string, x: Tensor2D, bias: Tensor4D): Tensor2D {
  const attended = residual(
    x,
    selfAttention(p, `${block}.0.SelfAttention`, normed(p, `${block}.0.layer_norm`, x, config), bias, config),
  );
  return residual(
    attended,
    feedForward(p, `${block}.1.DenseReluDense`, normed(p, `${block}.1.layer_norm`, attended, config), config),
  );
}

/** Padded decoder inputs (start token first, targets shifted right). */
export interface DecoderBatch extends Pick<TokenBatch, "ids" | "batch" | "length"> {
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
  const { batch, length } = targets;
  const table = matrix(p, "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
  const positions = positionBias(table, config, { queryLength: length, keyLength: length, bidirectional: false });
  const one = tf.add(positions, causalBias(length)) as Tensor4D;
  const bias = tf.tile(one, [batch, 1, 1, 1]); // once, so that each layer's gradient is a plain sum
  const { maskBias } = encoded;
  const differentiated = isAdapted(p) ? 2 : 3;
  let x = gatherRows(matrix(p, "shared.weight"), targets.ids);
  for (let i = 0; i < config.numDecoderLayers; i++) {
    const name = `decoder.block.${i}`;
    const block = (x: Tensor2D, hidden: Tensor2D, bias: Tensor4D, maskBias: Tensor4D): Tensor2D =>
      decoderBlock(p, config, `${name}.layer`, { x, hidden, bias, maskBias, promptRows: targets.promptRows });
    x = runBlock(block, [x, encoded.hidden, bias, maskBias], { p, name, differentiated, options });
  }
  return headInput(normed(p, "decoder.final_layer_norm", x, config), config);
}

/** Rows of x [B, M], one a decoder row: those named, or all of them over and over -> [C, M]. */
function repeatRows(x: Tensor2D, count: number, promptRows: readonly number[] | undefined): Tensor2D {
  if (promptRows !== undefined) return gatherRows(x, tf.tensor1d([...promptRows], "int32"));
  const times = count / x.shape[0];
  return times === 1
    ? x
    : tf.concat(
        Array.from({ length: times }, () => x),
        0,
      );
}

/** x [C*T, D], encoder states `hidden` [B*S, D], bias [C, H, T, T], maskBias [B, 1, 1, S]. */
function decoderBlock(
  p: Parameters,
  config: T5Config,
  block: string,
  input: {
    x: Tensor2D;
    hidden: Tensor2D;
    bias: Tensor4D;
    maskBias: Tensor4D;
    promptRows: readonly number[] | undefined;
  },
): Tensor2D {
  const { x, hidden, bias, maskBias, promptRows } = input;
  const [count, , length] = bias.shape;
  const [prompts, , , sourceLength] = maskBias.shape;
  const attended = residual(
    x,
    selfAttention(p, `${block}.0.SelfAttention`, normed(p, `${block}.0.layer_norm`, x, config), bias, config),
  );
  const cross = `${block}.1.EncDecAttention`;
  const queries = project(p, `${cross}.q`, normed(p, `${block}.1.layer_norm`, attended, config));
  const memory = (name: string): Tensor4D => {
    const rows = project(p, `${cross}.${name}`, hidden); // [B*S, H*K]
    const perPrompt = tf.reshape(rows, [prompts, -1]) as Tensor2D;
    const repeated = repeatRows(perPrompt, count, promptRows); // [C, S*H*K]
    return splitHeads(tf.reshape(repeated, [count * sourceLength, -1]), count, sourceLength, config);
  };
  const masks = tf.reshape(repeatRows(tf.reshape(maskBias, [prompts, sourceLength]), count, promptRows), [
    count,
    1,
    1,
    sourceLength,
  ]) as Tensor4D;
  const read = attend(splitHeads(queries, count, length, config), memory("k"), memory("v"), masks);
  const seen = residual(attended, project(p, `${cross}.o`, mergeHeads(read)));
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
