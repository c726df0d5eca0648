// The worker's own encoder. It emits the keys and values of the decoder's cross-attention at once, so that a step of the decoder needs no
// encoder states.

import { type CachePart, ENCODER_INPUTS, LEAN, pastName } from "../../../shared/onnx-names.ts";
import type { Graph } from "../graph/graph-builder.ts";
import {
  attentionMaps,
  feedForward,
  type LeanContext,
  residualStream,
  type Sublayer,
  toSequencesLike,
} from "./lean-blocks.ts";
import { positionBias, splitHeads } from "./t5-blocks.ts";

/** Which projection makes which part of a cache. */
const CROSS_PARTS: readonly (readonly [CachePart, "k" | "v"])[] = [
  ["key", "k"],
  ["value", "v"],
];

/** `inputs_embeds [B, S, D]`, `attention_mask [B, S]` -> the decoder's `past_key_values.{i}.encoder.{key,value} [B, H, S, K]`. */
export function buildLeanEncoder(t5: LeanContext): Graph {
  const { config, graph, ops, runtime, layers } = t5;
  const { numHeads, dKv, dModel } = config;
  const sequences = ["batch_size", "encoder_sequence_length"];
  const embedded = graph.input(LEAN.inputEmbeddings, "float32", [...sequences, dModel]);
  const mask = graph.input(ENCODER_INPUTS.attentionMask, "int64", sequences);

  const toSequences = toSequencesLike(t5, embedded);
  const keyMask = ops.cast(mask, "int32");
  const positions = ops.range(ops.squeeze(ops.sizeOf(mask, 1)));
  const biasOf = positionBias(t5, positions, positions, true); // [1, H, S, S]

  const selfAttention = (path: string, layer: number): Sublayer => {
    const { project, output } = attentionMaps(t5, `${path}.SelfAttention`);
    return {
      path,
      change(normed) {
        const query = toSequences(project(normed, "q"));
        const key = toSequences(project(normed, "k"));
        const value = toSequences(project(normed, "v"));
        return output(runtime.attention({ query, key, value, keyMask, bias: biasOf(layer), numHeads }));
      },
    };
  };
  const blocks = Array.from({ length: config.numLayers }, (_, i) => `encoder.block.${i}`);
  const sublayers = blocks.flatMap((block, i) => [
    selfAttention(`${block}.layer.0`, i),
    feedForward(t5, `${block}.layer.1`),
  ]);
  const states = layers.rows(residualStream(t5, embedded, { sublayers, stack: "encoder" }));

  for (let layer = 0; layer < config.numDecoderLayers; layer++) {
    const { project } = attentionMaps(t5, `decoder.block.${layer}.layer.1.EncDecAttention`);
    for (const [part, letter] of CROSS_PARTS) {
      const heads = splitHeads(t5, toSequences(project(states, letter)));
      graph.output(pastName(layer, "encoder", part), heads, ["batch_size", numHeads, "encoder_sequence_length", dKv]);
    }
  }
  return graph.finish();
}
