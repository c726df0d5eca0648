// The weights of a T5 as a judge needs them. A judge never trains, and its decoder computes one position, the first, so that three things are
// done to the weights once in place of at every pass:
//
//   gains     the gain of a norm is multiplied into the projections that read the norm: a pass then only divides by the root mean square
//   joined    the encoder's q, k and v are one matrix
//   dropped   a first position attends to itself only, so that self-attention is v and o in one matrix, without a softmax; of the head only
//             the columns of "yes" and "no" are kept
//
// (Types, not interfaces, since tf.tidy takes only those.)

import type { T5Config } from "../../../shared/t5-config.ts";
import { product } from "../../model/layers.ts";
import { isAdapted } from "../../model/low-rank.ts";
import { biasTable, matrix, type Parameters, vector } from "../../model/parameters.ts";
import { head } from "../../model/t5.ts";
import { type Tensor2D, type Tensor3D, tf } from "../../tensorflow/tensorflow.ts";
import { GATE_SCALE } from "./judge-layers.ts";

/** `gate` [D, F] is there in the gated form only; `up` [D, F], `down` [F, D]. */
export type FeedForwardWeights = {
  gate: Tensor2D | undefined;
  up: Tensor2D;
  down: Tensor2D;
};

export type EncoderWeights = FeedForwardWeights & {
  /** [D, 3*H*K] */
  qkv: Tensor2D;
  /** [H*K, D] */
  o: Tensor2D;
};

export type DecoderWeights = FeedForwardWeights & {
  /** Self-attention of a position that sees only itself, [D, D]. */
  self: Tensor2D;
  /** Cross-attention: q [D, H*K], k [H, K, D], v [H, D, K], o [H*K, D]. */
  q: Tensor2D;
  k: Tensor3D;
  v: Tensor3D;
  o: Tensor2D;
};

export type JudgeWeights = {
  embedding: Tensor2D;
  /** Relative position bias of the encoder, [buckets, H]: one for all layers, or one for each. */
  biases: Tensor2D[];
  encoder: EncoderWeights[];
  decoder: DecoderWeights[];
  /** Head columns of "yes" and "no", [D, 2]. */
  answers: Tensor2D;
};

/** Makes them; the parameters stay as they are and may be freed. The caller disposes the result. */
export function judgeWeights(p: Parameters, config: T5Config, tokens: { yes: number; no: number }): JudgeWeights {
  if (isAdapted(p)) throw new Error("a judge has no adapter");
  return tf.tidy(() => {
    const encoder = Array.from({ length: config.numLayers }, (_, i) => encoderWeights(p, config, i));
    const decoder = Array.from({ length: config.numDecoderLayers }, (_, i) => decoderWeights(p, config, i));
    const rows = tf.gather(head(p), tf.tensor1d([tokens.yes, tokens.no], "int32")) as Tensor2D;
    const scale = config.tieWordEmbeddings ? config.dModel ** -0.5 : 1;
    const answers: Tensor2D = withGain(p, "decoder.final_layer_norm", tf.transpose(tf.mul(rows, scale)), config);
    return {
      embedding: tf.clone(matrix(p, "shared.weight")),
      biases: [...new Set(encoder.map((_, i) => biasTable(config, "encoder", i)))].map((name) =>
        tf.clone(matrix(p, name)),
      ),
      encoder,
      decoder,
      answers,
    };
  });
}

/**
 * The projection `weight` [D, *] with the gain of the norm `name` multiplied into its rows: of `unitNorm(x)` (judge-layers.ts), which has length
 * 1, it makes what `weight` makes of the norm of x, whose root mean square is 1.
 */
function withGain(p: Parameters, name: string, weight: Tensor2D, config: T5Config): Tensor2D {
  const gain = tf.mul(vector(p, `${name}.weight`), Math.sqrt(config.dModel));
  return tf.mul(weight, tf.expandDims(gain, 1));
}

function encoderWeights(p: Parameters, config: T5Config, layer: number): EncoderWeights {
  const block = `encoder.block.${layer}.layer`;
  const attention = `${block}.0.SelfAttention`;
  const qkv = tf.concat2d(
    ["q", "k", "v"].map((name) => matrix(p, `${attention}.${name}.weight`)),
    1,
  );
  return {
    qkv: withGain(p, `${block}.0.layer_norm`, qkv, config),
    o: tf.clone(matrix(p, `${attention}.o.weight`)),
    ...feedForwardWeights(p, config, `${block}.1`),
  };
}

function decoderWeights(p: Parameters, config: T5Config, layer: number): DecoderWeights {
  const { dModel, numHeads, dKv } = config;
  const block = `decoder.block.${layer}.layer`;
  const own = `${block}.0.SelfAttention`;
  const cross = `${block}.1.EncDecAttention`;
  const self = product(matrix(p, `${own}.v.weight`), matrix(p, `${own}.o.weight`));
  const byHead = (name: string, order: [number, number, number]): Tensor3D => {
    const weight = withGain(p, "encoder.final_layer_norm", matrix(p, `${cross}.${name}.weight`), config);
    return tf.transpose(tf.reshape(weight, [dModel, numHeads, dKv]), order) as Tensor3D;
  };
  return {
    self: withGain(p, `${block}.0.layer_norm`, self, config),
    q: withGain(p, `${block}.1.layer_norm`, matrix(p, `${cross}.q.weight`), config),
    k: byHead("k", [1, 2, 0]),
    v: byHead("v", [1, 0, 2]),
    o: tf.clone(matrix(p, `${cross}.o.weight`)),
    ...feedForwardWeights(p, config, `${block}.2`),
  };
}

function feedForwardWeights(p: Parameters, config: T5Config, block: string): FeedForwardWeights {
  const name = `${block}.DenseReluDense`;
  const reading = (weight: string, scale: number): Tensor2D =>
    withGain(p, `${block}.layer_norm`, tf.mul(matrix(p, `${name}.${weight}.weight`), scale), config);
  const down: Tensor2D = tf.clone(matrix(p, `${name}.wo.weight`));
  if (!config.gatedGelu) return { gate: undefined, up: reading("wi", 1), down };
  return { gate: reading("wi_0", GATE_SCALE), up: reading("wi_1", 1 / GATE_SCALE), down };
}
