// The judge's forward pass: the encoder over prompts, the decoder at its first position, the logits of "yes" and "no".
// One query reads the keys as q (W x) = (W^T q) x, and the values as W (sum p x): the decoder never projects the encoder's states, which
// would be a fifth of all work. Small batches keep an encoder layer in the processor's cache; the decoder, whose work is reading its
// weights, runs once for many of them.

import type { T5Config } from "../../../shared/t5-config.ts";
import { positionBias } from "../../model/attention-bias.ts";
import { product } from "../../model/layers.ts";
import { padded, rowsOfLengths } from "../../model/packed-rows.ts";
import { type Tensor, type Tensor2D, type Tensor3D, type Tensor4D, tf } from "../../tensorflow/tensorflow.ts";
import { gated, unitNorm } from "./judge-layers.ts";
import type { DecoderWeights, EncoderWeights, FeedForwardWeights, JudgeWeights } from "./judge-weights.ts";

/** Added to attention scores where a query must not look. */
const MASKED = -1e9;

type Prompts = readonly (readonly number[])[];

/** What the decoder reads of a batch: normed encoder states [B, S, D], and the mask [B, 1, S] where rows differ in length. */
type Memory = {
  states: Tensor3D;
  mask: Tensor3D | undefined;
};

/** Logits of "yes" and "no" for batches of judge prompts, token ids each, in their order. Prompts of a batch should be of like length. */
export function judgeLogits(
  weights: JudgeWeights,
  config: T5Config,
  batches: readonly Prompts[],
): { yes: number; no: number }[] {
  return tf.tidy(() => {
    const memories = batches.map((prompts) => tf.tidy(() => encodePrompts(weights, config, prompts)));
    const start = new Int32Array(batches.flat().length).fill(config.decoderStartTokenId);
    let x = tf.gather(weights.embedding, tf.tensor1d(start, "int32")) as Tensor2D; // [B, D]
    for (const layer of weights.decoder) {
      const below = x;
      x = tf.tidy(() => decoderLayer(layer, config, below, memories));
    }
    const logits = product(unitNorm(x, config.layerNormEpsilon), weights.answers).dataSync();
    return Array.from({ length: x.shape[0] }, (_, i) => ({
      yes: logits[2 * i] ?? Number.NaN,
      no: logits[2 * i + 1] ?? Number.NaN,
    }));
  });
}

/** Places of the heads of q, k and v [N*3*H] in [3, B, H, S], and back: of [B, H, S] in [N, H]. */
function headPlaces(rows: readonly number[][], length: number, heads: number): { split: Tensor4D; merge: Tensor2D } {
  const count = rows.reduce((sum, row) => sum + row.length, 0);
  const third = rows.length * heads * length;
  const split = new Int32Array(3 * third); // padding repeats the first token, and is masked as a key
  const merge = new Int32Array(count * heads);
  rows.forEach((row, b) => {
    for (let h = 0; h < heads; h++) {
      const start = (b * heads + h) * length;
      row.forEach((token, t) => {
        for (let part = 0; part < 3; part++) split[part * third + start + t] = (token * 3 + part) * heads + h;
        merge[token * heads + h] = start + t;
      });
    }
  });
  return {
    split: tf.tensor4d(split, [3, rows.length, heads, length], "int32"),
    merge: tf.tensor2d(merge, [count, heads], "int32"),
  };
}

/** [B, S] with MASKED after the end of each row. */
function maskOf(prompts: Prompts, length: number): Tensor2D {
  const mask = new Float32Array(prompts.length * length);
  prompts.forEach((row, b) => {
    mask.fill(MASKED, b * length + row.length, (b + 1) * length);
  });
  return tf.tensor2d(mask, [prompts.length, length]);
}

function encodePrompts(weights: JudgeWeights, config: T5Config, prompts: Prompts): Memory {
  const length = prompts.reduce((longest, row) => Math.max(longest, row.length), 0);
  const rows = rowsOfLengths(prompts.map((row) => row.length));
  const places = headPlaces(rows, length, config.numHeads);
  const span = { queryLength: length, keyLength: length, bidirectional: true };
  const even = prompts.every((row) => row.length === length);
  const mask = even ? undefined : maskOf(prompts, length);
  const biases = weights.biases.map((table): Tensor4D => {
    const positions = positionBias(table, config, span);
    return mask === undefined ? positions : tf.add(positions, tf.expandDims(tf.expandDims(mask, 1), 1));
  });
  let x = tf.gather(weights.embedding, tf.tensor1d(Int32Array.from(prompts.flat()), "int32")) as Tensor2D;
  weights.encoder.forEach((layer, i) => {
    const below = x;
    const bias = biases[i] ?? biases[0];
    if (bias === undefined) throw new TypeError("an encoder has a bias");
    x = tf.tidy(() => encoderLayer(layer, config, below, { bias, ...places }));
  });
  const states = padded(unitNorm(x, config.layerNormEpsilon), rows, length);
  return {
    states: tf.reshape(states, [prompts.length, length, config.dModel]),
    mask: mask === undefined ? undefined : (tf.expandDims(mask, 1) as Tensor3D),
  };
}

function encoderLayer(
  weights: EncoderWeights,
  config: T5Config,
  x: Tensor2D,
  { bias, split, merge }: { bias: Tensor4D; split: Tensor4D; merge: Tensor2D },
): Tensor2D {
  const { dKv, numHeads, layerNormEpsilon } = config;
  const answered = tf.tidy(() => {
    const projected = product(unitNorm(x, layerNormEpsilon), weights.qkv); // [N, 3*H*K]
    const [q, k, v] = tf.unstack(tf.gather(tf.reshape(projected, [-1, dKv]), split)) as [Tensor, Tensor, Tensor];
    const scores = tf.matMul(q, k, false, true); // [B, H, S, S]
    const read = tf.matMul(tf.softmax(tf.add(scores, bias)), v); // [B, H, S, K]
    return tf.reshape(tf.gather(tf.reshape(read, [-1, dKv]), merge), [x.shape[0], numHeads * dKv]);
  });
  const attended: Tensor2D = tf.add(x, product(answered as Tensor2D, weights.o));
  return tf.add(attended, feedForward(weights, unitNorm(attended, layerNormEpsilon)));
}

function feedForward({ gate, up, down }: FeedForwardWeights, x: Tensor2D): Tensor2D {
  return tf.tidy(() => {
    const inner = gate === undefined ? tf.relu(product(x, up)) : gated(product(x, gate), product(x, up));
    return product(inner, down);
  });
}

/** x [B, D], one position of each prompt. */
function decoderLayer(weights: DecoderWeights, config: T5Config, x: Tensor2D, memories: readonly Memory[]): Tensor2D {
  const { numHeads, dKv, layerNormEpsilon } = config;
  const batch = x.shape[0];
  const own: Tensor2D = tf.add(x, product(unitNorm(x, layerNormEpsilon), weights.self));
  const q = tf.reshape(product(unitNorm(own, layerNormEpsilon), weights.q), [batch, numHeads, dKv]);
  const asked = tf.transpose(tf.matMul(tf.transpose(q, [1, 0, 2]), weights.k), [1, 0, 2]); // [H, B, D] -> [B, H, D]
  let first = 0;
  const read = memories.map(({ states, mask }) => {
    const [count] = states.shape;
    const scores = tf.matMul(tf.slice(asked, first, count), states, false, true); // [b, H, S]
    first += count;
    return tf.matMul(tf.softmax(mask === undefined ? scores : tf.add(scores, mask)), states) as Tensor3D; // [b, H, D]
  });
  const values = tf.matMul(tf.transpose(tf.concat3d(read, 0), [1, 0, 2]), weights.v); // [H, B, K]
  const answered = tf.reshape(tf.transpose(values, [1, 0, 2]), [batch, numHeads * dKv]) as Tensor2D;
  const seen: Tensor2D = tf.add(own, product(answered, weights.o));
  return tf.add(seen, feedForward(weights, unitNorm(seen, layerNormEpsilon)));
}
