// T5 as one file, read top to bottom (Raffel et al. 2020, arXiv:1910.10683; transformers modeling_t5.py).
// Activations stay flat, [B*T, D]: every projection is one plain matrix product. Attention alone sees [B, H, T, K].
// What differs from other transformers: no 1/sqrt(K) in attention, RMS norm without bias, a relative position bias that layer 0
// owns and all layers share (none in cross-attention), and outputs scaled by D^-0.5 when the head is the embedding.

import { relativePositionBuckets } from "../../shared/relative-position.ts";
import type { T5Config } from "../../shared/t5-config.ts";
import { type Tensor1D, type Tensor2D, type Tensor4D, tf } from "../tensorflow.ts";
import { gatedGelu, gatherRows, linear, rmsNorm } from "./gradients.ts";
import { matrix, type Parameters, vector } from "./parameters.ts";

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

/** softmax(q k^T + bias) v, each [B, H, *, K]; bias broadcasts to [B, H, T, S]. */
export function attend(q: Tensor4D, k: Tensor4D, v: Tensor4D, bias: Tensor4D): Tensor4D {
  const scores = tf.add(tf.matMul(q, k, false, true), bias);
  return tf.matMul(tf.softmax(scores) as Tensor4D, v) as Tensor4D;
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
    ? gatedGelu(linear(x, matrix(p, `${prefix}.wi_0.weight`)), linear(x, matrix(p, `${prefix}.wi_1.weight`)))
    : tf.relu(linear(x, matrix(p, `${prefix}.wi.weight`)));
  return linear(inner, matrix(p, `${prefix}.wo.weight`));
}

export function normed(p: Parameters, name: string, x: Tensor2D, config: T5Config): Tensor2D {
  return rmsNorm(x, vector(p, `${name}.weight`), config.layerNormEpsilon);
}

/** Self-attention over x [B*T, D] with bias [B, H, T, T]. */
function selfAttention(p: Parameters, prefix: string, x: Tensor2D, bias: Tensor4D, config: T5Config): Tensor2D {
  const [batch, , length] = bias.shape;
  const heads = (name: string): Tensor4D =>
    splitHeads(linear(x, matrix(p, `${prefix}.${name}.weight`)), batch, length, config);
  return linear(mergeHeads(attend(heads("q"), heads("k"), heads("v"), bias)), matrix(p, `${prefix}.o.weight`));
}

/** Runs the encoder over padded prompts. */
export function encode(p: Parameters, config: T5Config, prompts: TokenBatch): Encoded {
  const { batch, length } = prompts;
  const maskBias = paddingBias(prompts.mask);
  const table = matrix(p, "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
  const positions = positionBias(table, config, { queryLength: length, keyLength: length, bidirectional: true });
  const bias = tf.add(positions, maskBias) as Tensor4D; // [B, H, S, S]
  let x = gatherRows(matrix(p, "shared.weight"), prompts.ids);
  for (let i = 0; i < config.numLayers; i++) {
    const block = `encoder.block.${i}.layer`;
    x = tf.add(
      x,
      selfAttention(p, `${block}.0.SelfAttention`, normed(p, `${block}.0.layer_norm`, x, config), bias, config),
    );
    x = tf.add(x, feedForward(p, `${block}.1.DenseReluDense`, normed(p, `${block}.1.layer_norm`, x, config), config));
  }
  return { hidden: normed(p, "encoder.final_layer_norm", x, config), maskBias, batch, length };
}

/**
 * Runs the decoder over padded decoder inputs (start token first, targets shifted right) and returns the hidden states that the
 * head reads, [C*T, D]. The C target rows are a whole multiple of the B prompts: row c belongs to prompt c mod B, so chosen and
 * rejected completions of a batch share one encoding.
 */
export function decode(
  p: Parameters,
  config: T5Config,
  encoded: Encoded,
  targets: Pick<TokenBatch, "ids" | "batch" | "length">,
): Tensor2D {
  const { batch, length } = targets;
  const repeats = batch / encoded.batch;
  const repeat = (x: Tensor4D): Tensor4D =>
    repeats === 1
      ? x
      : tf.concat(
          Array.from({ length: repeats }, () => x),
          0,
        );
  const table = matrix(p, "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
  const positions = positionBias(table, config, { queryLength: length, keyLength: length, bidirectional: false });
  const one = tf.add(positions, causalBias(length)) as Tensor4D;
  const bias = tf.tile(one, [batch, 1, 1, 1]); // once, so that each layer's gradient is a plain sum
  const maskBias = repeat(encoded.maskBias);
  let x = gatherRows(matrix(p, "shared.weight"), targets.ids);
  for (let i = 0; i < config.numDecoderLayers; i++) {
    const block = `decoder.block.${i}.layer`;
    x = tf.add(
      x,
      selfAttention(p, `${block}.0.SelfAttention`, normed(p, `${block}.0.layer_norm`, x, config), bias, config),
    );
    const cross = `${block}.1.EncDecAttention`;
    const query = splitHeads(
      linear(normed(p, `${block}.1.layer_norm`, x, config), matrix(p, `${cross}.q.weight`)),
      batch,
      length,
      config,
    );
    const memory = (name: string): Tensor4D =>
      repeat(
        splitHeads(linear(encoded.hidden, matrix(p, `${cross}.${name}.weight`)), encoded.batch, encoded.length, config),
      );
    const seen = mergeHeads(attend(query, memory("k"), memory("v"), maskBias));
    x = tf.add(x, linear(seen, matrix(p, `${cross}.o.weight`)));
    x = tf.add(x, feedForward(p, `${block}.2.DenseReluDense`, normed(p, `${block}.2.layer_norm`, x, config), config));
  }
  return headInput(normed(p, "decoder.final_layer_norm", x, config), config);
}

/** The scale that T5 v1.0 puts before a tied head, applied to the hidden states [N, D]; the config's flag decides, not the weights. */
export function headInput(hidden: Tensor2D, config: T5Config): Tensor2D {
  return config.tieWordEmbeddings ? tf.mul(hidden, config.dModel ** -0.5) : hidden;
}

/** The vocabulary projection [V, D]: the checkpoint's own head, or the embedding. */
export function head(p: Parameters): Tensor2D {
  return matrix(p, "lm_head.weight" in p ? "lm_head.weight" : "shared.weight");
}
