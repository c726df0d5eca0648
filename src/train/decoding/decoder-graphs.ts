// Decoding graphs for batches on this machine, leaner than the exported pair: what the decoder needs of the prompts (cross-attention
// keys and values) is computed once by a graph of its own and shared by all samples of a prompt, and a step hands back only its logits
// and the grown self-attention cache. Same weights, same blocks, same numbers as the export.

import type { Graph, Value } from "../export/graph-builder.ts";
import {
  attend,
  feedForward,
  paddingBias,
  positionBias,
  rmsNorm,
  splitHeads,
  type T5Context,
} from "../export/t5-blocks.ts";
import { EMBEDDING } from "../export/t5-weights.ts";

type Float = Value<"float32">;

/** Names of a layer's keys and values: of the prompt, decoded so far, and decoded so far with this step. */
export const crossName = (layer: number, part: "key" | "value"): string => `cross.${layer}.${part}`;
export const pastName = (layer: number, part: "key" | "value"): string => `past.${layer}.${part}`;
export const presentName = (layer: number, part: "key" | "value"): string => `present.${layer}.${part}`;

/** `hidden [B, S, D]` -> the cross-attention keys and values of every decoder layer, `[B, H, S, K]`. */
export function buildCrossGraph<A>(t5: T5Context<A>): Graph {
  const { config, graph, layers } = t5;
  const hidden = layers.activation(graph.input("hidden", "float32", ["batch_size", "source_length", config.dModel]));
  for (let layer = 0; layer < config.numDecoderLayers; layer++) {
    const attention = `decoder.block.${layer}.layer.1.EncDecAttention`;
    for (const [part, weight] of [
      ["key", "k"],
      ["value", "v"],
    ] as const) {
      const rows = splitHeads(t5, layers.linear(hidden, `${attention}.${weight}.weight`));
      graph.output(crossName(layer, part), rows, ["batch_size", config.numHeads, "source_length", config.dKv]);
    }
  }
  return graph.finish();
}

/**
 * `input_ids [B, T]`, `attention_mask [B, S]` of the prompts, `cross.*` and `past.*` (`[B, H, P, K]`, P may be 0)
 * -> `logits [B, 1, V]` of the last position and `present.*` (`[B, H, P + T, K]`). `head` names the output projection `[V, D]`.
 */
export function buildStepGraph<A>(t5: T5Context<A>, head: string): Graph {
  const { config, graph, ops, layers } = t5;
  const { numHeads, dKv } = config;
  const ids = graph.input("input_ids", "int64", ["batch_size", "length"]);
  const mask = graph.input("attention_mask", "int64", ["batch_size", "source_length"]);
  const keysAndValues = (name: typeof crossName, length: string) =>
    Array.from({ length: config.numDecoderLayers }, (_, layer) => ({
      key: graph.input(name(layer, "key"), "float32", ["batch_size", numHeads, length, dKv]),
      value: graph.input(name(layer, "value"), "float32", ["batch_size", numHeads, length, dKv]),
    }));
  const cross = keysAndValues(crossName, "source_length");
  const pasts = keysAndValues(pastName, "past_length");
  const first = pasts[0];
  if (first === undefined) throw new RangeError("a decoder has at least one layer");

  const past = ops.squeeze(ops.sizeOf(first.key, 2));
  const length = ops.squeeze(ops.sizeOf(ids, 1));
  const queryPositions = ops.add(ops.range(length), past);
  const selfBias = positionBias(t5, queryPositions, ops.range(ops.add(length, past)), false); // [1, H, T, P + T]
  const crossBias = paddingBias(t5, mask); // [B, 1, 1, S]

  /** The cache with this step's rows `[B, T, H*K]`, which is also an output. */
  const grow = (layer: number, part: "key" | "value", rows: Float): Float => {
    const before = pasts[layer]?.[part] ?? first[part];
    const present = ops.concat([before, splitHeads(t5, rows)], 2);
    graph.output(presentName(layer, part), present, ["batch_size", numHeads, "total_length", dKv]);
    return present;
  };

  let x = layers.embed(ids, EMBEDDING);
  cross.forEach(({ key, value }, layer) => {
    const block = `decoder.block.${layer}.layer`;
    graph.within(`decoder.block.${layer}`, () => {
      const self = `${block}.0.SelfAttention`;
      const normed = layers.activation(rmsNorm(t5, x, `${block}.0.layer_norm`));
      const attended = attend(t5, {
        query: layers.linear(normed, `${self}.q.weight`),
        key: grow(layer, "key", layers.linear(normed, `${self}.k.weight`)),
        value: grow(layer, "value", layers.linear(normed, `${self}.v.weight`)),
        bias: selfBias,
        outputWeight: `${self}.o.weight`,
      });
      x = ops.add(x, attended);
      const attention = `${block}.1.EncDecAttention`;
      const crossNormed = layers.activation(rmsNorm(t5, x, `${block}.1.layer_norm`));
      const query = layers.linear(crossNormed, `${attention}.q.weight`);
      x = ops.add(x, attend(t5, { query, key, value, bias: crossBias, outputWeight: `${attention}.o.weight` }));
      x = ops.add(x, feedForward(t5, rmsNorm(t5, x, `${block}.2.layer_norm`), `${block}.2.DenseReluDense`));
    });
  });

  // only the last position is read: [B, T, D] -> [B, 1, D]
  const newest = ops.slice(x, graph.int64([-1]), graph.int64([Number.MAX_SAFE_INTEGER]), graph.int64([1]));
  const normed = rmsNorm(t5, newest, "decoder.final_layer_norm");
  const scaled = config.tieWordEmbeddings ? ops.mul(normed, graph.float(config.dModel ** -0.5)) : normed;
  graph.output("logits", layers.head(scaled, head), ["batch_size", 1, config.vocabSize]);
  return graph.finish();
}
