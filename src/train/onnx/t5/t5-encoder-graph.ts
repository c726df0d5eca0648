// The encoder: ids and mask in, last hidden states out.

import { ENCODER_INPUTS, ENCODER_OUTPUT } from "../../../shared/onnx-names.ts";
import { EMBEDDING } from "../../model/parameters.ts";
import type { Graph, Value } from "../graph/graph-builder.ts";
import { attend, feedForward, paddingBias, positionBias, rmsNorm, splitHeads, type T5Context } from "./t5-blocks.ts";

/** `input_ids, attention_mask [B, S]` -> `last_hidden_state [B, S, D]`. */
export function buildEncoderGraph<A>(t5: T5Context<A>): Graph {
  const { config, graph, layers } = t5;
  const ids = graph.input(ENCODER_INPUTS.inputIds, "int64", ["batch_size", "encoder_sequence_length"]);
  const mask = graph.input(ENCODER_INPUTS.attentionMask, "int64", ["batch_size", "encoder_sequence_length"]);
  const last = encoderStack(t5, layers.embed(ids, EMBEDDING), mask);
  graph.output(ENCODER_OUTPUT, last, ["batch_size", "encoder_sequence_length", config.dModel]);
  return graph.finish();
}

/** The bias `[B, H, S, S]` of each layer, padding hidden. */
function encoderBias<A>(t5: T5Context<A>, positions: Value<"int64">, mask: Value<"int64">) {
  const { config, ops } = t5;
  const positioned = positionBias(t5, positions, positions, true);
  if (config.ownBiasTables) {
    const padding = paddingBias(t5, mask);
    return (layer: number) => ops.add(positioned(layer), padding);
  }
  const shared = ops.add(positioned(0), paddingBias(t5, mask));
  return () => shared;
}

/** Embeddings `[B, S, D]` and `mask [B, S]` to last hidden states `[B, S, D]`. */
export function encoderStack<A>(t5: T5Context<A>, embedded: Value<"float32">, mask: Value<"int64">): Value<"float32"> {
  const { config, graph, ops, layers } = t5;
  const positions = ops.range(ops.squeeze(ops.sizeOf(mask, 1)));
  const biasOf = encoderBias(t5, positions, mask);

  let x = embedded;
  for (let i = 0; i < config.numLayers; i++) {
    const block = `encoder.block.${i}`;
    graph.within(block, () => {
      const attention = `${block}.layer.0.SelfAttention`;
      const normed = layers.activation(rmsNorm(t5, x, `${block}.layer.0.layer_norm`));
      const attended = attend(t5, {
        query: layers.linear(normed, `${attention}.q.weight`),
        key: splitHeads(t5, layers.linear(normed, `${attention}.k.weight`)),
        value: splitHeads(t5, layers.linear(normed, `${attention}.v.weight`)),
        bias: biasOf(i),
        outputWeight: `${attention}.o.weight`,
      });
      x = ops.add(x, attended);
      const feedInput = rmsNorm(t5, x, `${block}.layer.1.layer_norm`);
      x = ops.add(x, feedForward(t5, feedInput, `${block}.layer.1.DenseReluDense`));
    });
  }
  return graph.within("encoder", () => rmsNorm(t5, x, "encoder.final_layer_norm"));
}
