// Decoding graphs for batches on this machine, leaner than the exported pair: what the decoder needs of the prompts (cross-attention
// keys and values) is computed once by a graph of its own and shared by all samples of a prompt, and a step takes the self-attention
// cache as it lies in a buffer with room to grow, and hands back the new rows alone. Same weights, same blocks, same numbers as the
// export: handing the grown cache back, as the exported decoder does, cost three times as much as all of a step's arithmetic.

import { EMBEDDING } from "../../model/parameters.ts";
import type { Graph, Value } from "../graph/graph-builder.ts";
import { feedForward, paddingBias, positionBias, rmsNorm, splitHeads, type T5Context } from "./t5-blocks.ts";

type Float = Value<"float32">;

export const PARTS = ["key", "value"] as const;
export type Part = (typeof PARTS)[number];

/** Names of a layer's keys and values: of the prompt, of the positions decoded so far, and of this step's. */
const crossName = (layer: number, part: Part): string => `cross.${layer}.${part}`;
export const pastName = (layer: number, part: Part): string => `past.${layer}.${part}`;
export const newName = (layer: number, part: Part): string => `new.${layer}.${part}`;

/** Position of a slot of the cache that holds nothing: after every query, and so masked. */
const NOWHERE = 2 ** 31;

/** `hidden [B, S, D]` -> cross-attention keys `[B, H, K, S]` and values `[B, H, S, K]` of every decoder layer. */
export function buildCrossGraph<A>(t5: T5Context<A>): Graph {
  const { config, graph, ops, layers } = t5;
  const { numHeads, dKv, dModel } = config;
  const hidden = layers.activation(graph.input("hidden", "float32", ["batch_size", "source_length", dModel]));
  for (let layer = 0; layer < config.numDecoderLayers; layer++) {
    const attention = `decoder.block.${layer}.layer.1.EncDecAttention`;
    const heads = (name: string): Float => splitHeads(t5, layers.linear(hidden, `${attention}.${name}.weight`));
    const keys = ops.transpose(heads("k"), [0, 1, 3, 2]);
    graph.output(crossName(layer, "key"), keys, ["batch_size", numHeads, dKv, "source_length"]);
    graph.output(crossName(layer, "value"), heads("v"), ["batch_size", numHeads, "source_length", dKv]);
  }
  return graph.finish();
}

/**
 * `input_ids [B, T]`, `attention_mask [B, S]` of the prompts, `past_length [1]` P, `cross.*`, and `past.*` (`[B, H, C, K]`, C >= 1,
 * of which the first P positions are read) -> `logits [B, 1, V]` of the last position and `new.*` (`[B, H, T, K]`).
 * `head` names the output projection `[V, D]`.
 */
export function buildStepGraph<A>(t5: T5Context<A>, head: string): Graph {
  const { config, graph, ops, layers } = t5;
  const { numHeads, dKv } = config;
  const ids = graph.input("input_ids", "int64", ["batch_size", "length"]);
  const mask = graph.input("attention_mask", "int64", ["batch_size", "source_length"]);
  const pastLength = graph.input("past_length", "int64", [1]);
  const inputs = Array.from({ length: config.numDecoderLayers }, (_, layer) => {
    const rows = (name: string, ...shape: [number | string, number | string]): Float =>
      graph.input(name, "float32", ["batch_size", numHeads, ...shape]);
    return {
      crossKey: rows(crossName(layer, "key"), dKv, "source_length"),
      crossValue: rows(crossName(layer, "value"), "source_length", dKv),
      key: rows(pastName(layer, "key"), "capacity", dKv),
      value: rows(pastName(layer, "value"), "capacity", dKv),
    };
  });
  const first = inputs[0];
  if (first === undefined) throw new RangeError("a decoder has at least one layer");

  const capacity = ops.sizeOf(first.key, 2);
  const slots = ops.range(ops.squeeze(capacity));
  const newPositions = ops.add(ops.range(ops.squeeze(ops.sizeOf(ids, 1))), pastLength);
  const pastPositions = ops.where(ops.less(slots, pastLength), slots, graph.int64(NOWHERE));
  const keyPositions = ops.concat([pastPositions, newPositions], 0);
  const selfBiasOf = positionBias(t5, newPositions, keyPositions, false); // [1, H, T, C + T]
  const crossBias = paddingBias(t5, mask); // [B, 1, 1, S]
  const lastAxis = graph.int64([-1]);
  const end = graph.int64([Number.MAX_SAFE_INTEGER]);
  const transposed = (key: Float): Float => ops.transpose(key, [0, 1, 3, 2]);

  /** Heads `[B, H, T, K]` back to rows and through the output projection: `[B, T, D]`. */
  const project = (heads: Float, weight: string): Float => {
    const merged = ops.reshape(ops.transpose(heads, [0, 2, 1, 3]), graph.int64([0, 0, numHeads * dKv]));
    return layers.linear(layers.activation(merged), weight);
  };

  let x = layers.embed(ids, EMBEDDING);
  inputs.forEach(({ crossKey, crossValue, key, value }, layer) => {
    const block = `decoder.block.${layer}.layer`;
    graph.within(`decoder.block.${layer}`, () => {
      const self = `${block}.0.SelfAttention`;
      const normed = layers.activation(rmsNorm(t5, x, `${block}.0.layer_norm`));
      const heads = (name: string): Float => splitHeads(t5, layers.linear(normed, `${self}.${name}.weight`));
      const [query, newKey, newValue] = [heads("q"), heads("k"), heads("v")];
      graph.output(newName(layer, "key"), newKey, ["batch_size", numHeads, "length", dKv]);
      graph.output(newName(layer, "value"), newValue, ["batch_size", numHeads, "length", dKv]);
      // cached and new keys are never joined: only their scores are, [B, H, T, C + T]
      const scores = ops.concat([ops.matMul(query, transposed(key)), ops.matMul(query, transposed(newKey))], 3);
      const weights = ops.softmax(ops.add(scores, selfBiasOf(layer)));
      const ofPast = ops.slice(weights, graph.int64([0]), capacity, lastAxis);
      const ofNew = ops.slice(weights, capacity, end, lastAxis);
      const context = ops.add(ops.matMul(ofPast, value), ops.matMul(ofNew, newValue));
      x = ops.add(x, project(context, `${self}.o.weight`));

      const cross = `${block}.1.EncDecAttention`;
      const crossNormed = layers.activation(rmsNorm(t5, x, `${block}.1.layer_norm`));
      const crossQuery = splitHeads(t5, layers.linear(crossNormed, `${cross}.q.weight`));
      const seen = ops.softmax(ops.add(ops.matMul(crossQuery, crossKey), crossBias));
      x = ops.add(x, project(ops.matMul(seen, crossValue), `${cross}.o.weight`));
      x = ops.add(x, feedForward(t5, rmsNorm(t5, x, `${block}.2.layer_norm`), `${block}.2.DenseReluDense`));
    });
  });

  // only the last position is read: [B, T, D] -> [B, 1, D]
  const newest = ops.slice(x, graph.int64([-1]), end, graph.int64([1]));
  const normed = rmsNorm(t5, newest, "decoder.final_layer_norm");
  const scaled = config.tieWordEmbeddings ? ops.mul(normed, graph.float(config.dModel ** -0.5)) : normed;
  graph.output("logits", layers.head(scaled, head), ["batch_size", 1, config.vocabSize]);
  return graph.finish();
}
