// The worker's own three graphs, which hold less memory than the two of transformers.js: the encoder emits the cross-attention's keys and
// values at once, so that a step of the decoder needs no encoder states, and the head is a graph of its own. Embeddings are looked up
// outside (lean-embedding.ts), so that their table never enters the runtime.

import { ENCODER_INPUTS, LEAN, LOGITS, pastName } from "../../shared/onnx-names.ts";
import type { Graph } from "./graph-builder.ts";
import { splitHeads, type T5Context } from "./t5-blocks.ts";
import { type Past, pastInputs } from "./t5-cache.ts";
import { decoderStack } from "./t5-decoder-graph.ts";
import { encoderStack } from "./t5-encoder-graph.ts";

/** `inputs_embeds [B, S, D]`, `attention_mask [B, S]` -> the decoder's `past_key_values.{i}.encoder.{key,value} [B, H, S, K]`. */
export function buildLeanEncoder<A>(t5: T5Context<A>): Graph {
  const { config, graph, layers } = t5;
  const embedded = graph.input(LEAN.inputEmbeddings, "float32", [
    "batch_size",
    "encoder_sequence_length",
    config.dModel,
  ]);
  const mask = graph.input(ENCODER_INPUTS.attentionMask, "int64", ["batch_size", "encoder_sequence_length"]);
  const last = layers.activation(encoderStack(t5, embedded, mask));
  for (let layer = 0; layer < config.numDecoderLayers; layer++) {
    for (const [part, letter] of [
      ["key", "k"],
      ["value", "v"],
    ] as const) {
      const rows = layers.linear(last, `decoder.block.${layer}.layer.1.EncDecAttention.${letter}.weight`);
      const shape = ["batch_size", config.numHeads, "encoder_sequence_length", config.dKv];
      graph.output(pastName(layer, "encoder", part), splitHeads(t5, rows), shape);
    }
  }
  return graph.finish();
}

/**
 * `inputs_embeds [B, T, D]`, `encoder_attention_mask [B, S]` and both caches -> `hidden_states [B, T, D]` for the head and the grown
 * cache of the self-attention. Mask and encoder side may have a batch of 1, which then serves all B rows.
 */
export function buildLeanDecoder<A>(t5: T5Context<A>): Graph {
  const { config, graph } = t5;
  const embedded = graph.input(LEAN.inputEmbeddings, "float32", [
    "batch_size",
    "decoder_sequence_length",
    config.dModel,
  ]);
  const mask = graph.input(LEAN.encoderAttentionMask, "int64", ["source_batch_size", "past_encoder_sequence_length"]);
  const all = Array.from({ length: config.numDecoderLayers }, (_, layer) => layer);
  const past = all.map((layer) => pastInputs(t5, layer, "decoder"));
  const cross = all.map((layer): Past => pastInputs(t5, layer, "encoder", "source_batch_size"));
  const hidden = decoderStack(t5, {
    embedded,
    mask,
    past,
    cross: (layer) => {
      const given = cross[layer];
      if (given === undefined) throw new RangeError(`no layer ${layer}`);
      return given;
    },
  });
  graph.output(LEAN.hiddenStates, hidden, ["batch_size", "decoder_sequence_length", config.dModel]);
  return graph.finish();
}

/** `hidden_states [B, T, D]` -> `logits [B, T, V]`; `head` names the tensor `[V, D]` of the output projection. */
export function buildLeanHead<A>({ config, graph, layers }: T5Context<A>, head: string): Graph {
  const shape = ["batch_size", "decoder_sequence_length"];
  const hidden = graph.input(LEAN.hiddenStates, "float32", [...shape, config.dModel]);
  graph.output(LOGITS, layers.head(hidden, head), [...shape, config.vocabSize]);
  return graph.finish();
}
