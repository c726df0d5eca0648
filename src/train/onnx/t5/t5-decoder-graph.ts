// The decoder with its key/value cache, first step and later steps in one graph without If:
// self-attention keys grow by concatenation, and cross-attention keys are computed from zero rows once the cache holds them.

import { type CachePart, DECODER_INPUTS, LOGITS } from "../../../shared/onnx-names.ts";
import { EMBEDDING } from "../../model/parameters.ts";
import type { Graph, Value } from "../graph/graph-builder.ts";
import { attend, feedForward, paddingBias, positionBias, rmsNorm, type T5Context } from "./t5-blocks.ts";
import { grow, type Past, pastInputs } from "./t5-cache.ts";

type Float = Value<"float32">;

/**
 * `input_ids [B, T]`, `encoder_attention_mask [B, S]`, `encoder_hidden_states [B, S, D]` and the cache
 * -> `logits [B, T, V]` and the grown cache. `head` names the tensor `[V, D]` of the output projection.
 */
export function buildDecoderGraph<A>(t5: T5Context<A>, head: string): Graph {
  const { config, graph, ops, layers } = t5;
  const ids = graph.input(DECODER_INPUTS.inputIds, "int64", ["batch_size", "decoder_sequence_length"]);
  const mask = graph.input(DECODER_INPUTS.encoderAttentionMask, "int64", ["batch_size", "encoder_sequence_length"]);
  const encoded = graph.input(DECODER_INPUTS.encoderHiddenStates, "float32", [
    "batch_size",
    "encoder_sequence_length",
    config.dModel,
  ]);
  const pasts = Array.from({ length: config.numDecoderLayers }, (_, layer) => ({
    decoder: pastInputs(t5, layer, "decoder"),
    encoder: pastInputs(t5, layer, "encoder"),
  }));
  const first = pasts[0];
  if (first === undefined) throw new RangeError("a decoder has at least one layer");

  // all S rows while the cross cache is empty, none afterwards
  const cacheIsEmpty = ops.cast(ops.equal(ops.sizeOf(first.encoder.key, 2), graph.int64([0])), "int64");
  const newRows = ops.mul(ops.sizeOf(encoded, 1), cacheIsEmpty);
  const source = layers.firstRows(layers.activation(encoded), newRows);

  const last = decoderStack(t5, {
    embedded: layers.embed(ids, EMBEDDING),
    mask,
    before: ops.squeeze(ops.sizeOf(first.decoder.key, 2)),
    own: (layer, part, rows) =>
      grow(t5, pasts[layer]?.decoder ?? first.decoder, { layer, side: "decoder", part }, rows),
    cross: (layer) => {
      const path = `decoder.block.${layer}.layer.1.EncDecAttention`;
      const empty = pasts[layer]?.encoder ?? first.encoder;
      return {
        key: grow(t5, empty, { layer, side: "encoder", part: "key" }, layers.linear(source, `${path}.k.weight`)),
        value: grow(t5, empty, { layer, side: "encoder", part: "value" }, layers.linear(source, `${path}.v.weight`)),
      };
    },
  });
  const logits = graph.within("lm_head", () => layers.head(last, head));
  graph.output(LOGITS, logits, ["batch_size", "decoder_sequence_length", config.vocabSize]);
  return graph.finish();
}

/** What the decoder's layers read. */
interface DecoderInput {
  /** `[B, T, D]`. */
  embedded: Float;
  /** Of the cross-attention, `[B, S]`. */
  mask: Value<"int64">;
  /** How many positions come before these. */
  before: Value<"int64">;
  /** A layer's keys or values from the first position on, `[B, H, before + T, K]`, of these positions' rows `[B, T, H*K]`. */
  own: (layer: number, part: CachePart, rows: Float) => Float;
  /** A layer's keys and values of the encoder's states, `[B, H, S, K]`. */
  cross: (layer: number) => Past;
}

/** Embeddings through all layers to what the head takes, `[B, T, D]` (scaled where the head is tied). */
export function decoderStack<A>(t5: T5Context<A>, { embedded, mask, before, own, cross }: DecoderInput): Float {
  const { config, graph, ops, layers } = t5;
  const length = ops.squeeze(ops.sizeOf(embedded, 1));
  const queryPositions = ops.add(ops.range(length), before);
  const keyPositions = ops.range(ops.add(length, before));
  const selfBiasOf = positionBias(t5, queryPositions, keyPositions, false); // [1, H, T, past + T]
  const crossBias = paddingBias(t5, mask); // [B, 1, 1, S]

  let x = embedded;
  for (let layer = 0; layer < config.numDecoderLayers; layer++) {
    const block = `decoder.block.${layer}`;
    graph.within(block, () => {
      const self = `${block}.layer.0.SelfAttention`;
      const normed = layers.activation(rmsNorm(t5, x, `${block}.layer.0.layer_norm`));
      const attended = graph.within("self_attention", () =>
        attend(t5, {
          query: layers.linear(normed, `${self}.q.weight`),
          key: own(layer, "key", layers.linear(normed, `${self}.k.weight`)),
          value: own(layer, "value", layers.linear(normed, `${self}.v.weight`)),
          bias: selfBiasOf(layer),
          outputWeight: `${self}.o.weight`,
        }),
      );
      x = ops.add(x, attended);

      const path = `${block}.layer.1.EncDecAttention`;
      const crossNormed = layers.activation(rmsNorm(t5, x, `${block}.layer.1.layer_norm`));
      const crossAttended = graph.within("cross_attention", () =>
        attend(t5, {
          query: layers.linear(crossNormed, `${path}.q.weight`),
          ...cross(layer),
          bias: crossBias,
          outputWeight: `${path}.o.weight`,
        }),
      );
      x = ops.add(x, crossAttended);

      const feedInput = rmsNorm(t5, x, `${block}.layer.2.layer_norm`);
      x = ops.add(x, feedForward(t5, feedInput, `${block}.layer.2.DenseReluDense`));
    });
  }
  const last = graph.within("decoder", () => rmsNorm(t5, x, "decoder.final_layer_norm"));
  return config.tieWordEmbeddings ? ops.mul(last, graph.float(config.dModel ** -0.5)) : last;
}
