// The decoder with its key/value cache, first step and later steps in one graph without If:
// self-attention keys grow by concatenation, and cross-attention keys are computed from zero rows once the cache holds them.

import {
  type CachePart,
  type CacheSide,
  DECODER_INPUTS,
  LOGITS,
  pastName,
  presentName,
} from "../../shared/onnx-names.ts";
import type { Graph, Value } from "./graph-builder.ts";
import { attend, feedForward, paddingBias, positionBias, rmsNorm, splitHeads, type T5Context } from "./t5-blocks.ts";
import { EMBEDDING } from "./t5-weights.ts";

type Float = Value<"float32">;
type Past = Record<CacheSide, Record<CachePart, Float>>;

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
  const pasts = Array.from({ length: config.numDecoderLayers }, (_, layer) => pastInputs(t5, layer));
  const first = pasts[0];
  if (first === undefined) throw new RangeError("a decoder has at least one layer");

  const past = ops.squeeze(ops.sizeOf(first.decoder.key, 2));
  const length = ops.squeeze(ops.sizeOf(ids, 1));
  const queryPositions = ops.add(ops.range(length), past);
  const keyPositions = ops.range(ops.add(length, past));
  const selfBias = positionBias(t5, queryPositions, keyPositions, false); // [1, H, T, past + T]
  const crossBias = paddingBias(t5, mask); // [B, 1, 1, S]

  // all S rows while the cross cache is empty, none afterwards
  const cacheIsEmpty = ops.cast(ops.equal(ops.sizeOf(first.encoder.key, 2), graph.int64([0])), "int64");
  const newRows = ops.mul(ops.sizeOf(encoded, 1), cacheIsEmpty);
  const source = layers.firstRows(layers.activation(encoded), newRows);

  let x = layers.embed(ids, EMBEDDING);
  pasts.forEach((cache, layer) => {
    const block = `decoder.block.${layer}`;
    graph.within(block, () => {
      const self = `${block}.layer.0.SelfAttention`;
      const normed = layers.activation(rmsNorm(t5, x, `${block}.layer.0.layer_norm`));
      const attended = graph.within("self_attention", () =>
        attend(t5, {
          query: layers.linear(normed, `${self}.q.weight`),
          key: grow(t5, cache, layer, "decoder", "key", layers.linear(normed, `${self}.k.weight`)),
          value: grow(t5, cache, layer, "decoder", "value", layers.linear(normed, `${self}.v.weight`)),
          bias: selfBias,
          outputWeight: `${self}.o.weight`,
        }),
      );
      x = ops.add(x, attended);

      const cross = `${block}.layer.1.EncDecAttention`;
      const crossNormed = layers.activation(rmsNorm(t5, x, `${block}.layer.1.layer_norm`));
      const crossAttended = graph.within("cross_attention", () =>
        attend(t5, {
          query: layers.linear(crossNormed, `${cross}.q.weight`),
          key: grow(t5, cache, layer, "encoder", "key", layers.linear(source, `${cross}.k.weight`)),
          value: grow(t5, cache, layer, "encoder", "value", layers.linear(source, `${cross}.v.weight`)),
          bias: crossBias,
          outputWeight: `${cross}.o.weight`,
        }),
      );
      x = ops.add(x, crossAttended);

      const feedInput = rmsNorm(t5, x, `${block}.layer.2.layer_norm`);
      x = ops.add(x, feedForward(t5, feedInput, `${block}.layer.2.DenseReluDense`));
    });
  });

  const last = graph.within("decoder", () => rmsNorm(t5, x, "decoder.final_layer_norm"));
  const scaled = config.tieWordEmbeddings ? ops.mul(last, graph.float(config.dModel ** -0.5)) : last;
  const logits = graph.within("lm_head", () => layers.head(scaled, head));
  graph.output(LOGITS, logits, ["batch_size", "decoder_sequence_length", config.vocabSize]);
  return graph.finish();
}

function pastInputs<A>({ graph, config }: T5Context<A>, layer: number): Past {
  const input = (side: CacheSide, part: CachePart): Float =>
    graph.input(pastName(layer, side, part), "float32", [
      "batch_size",
      config.numHeads,
      `past_${side}_sequence_length`,
      config.dKv,
    ]);
  return {
    decoder: { key: input("decoder", "key"), value: input("decoder", "value") },
    encoder: { key: input("encoder", "key"), value: input("encoder", "value") },
  };
}

/** Cached rows and new ones `[B, new, H*K]` as `[B, H, past + new, K]`, which is also the cache for the next step. */
function grow<A>(t5: T5Context<A>, cache: Past, layer: number, side: CacheSide, part: CachePart, rows: Float): Float {
  const { graph, ops, config } = t5;
  const present = ops.concat([cache[side][part], splitHeads(t5, rows)], 2);
  const total = side === "decoder" ? "total_decoder_sequence_length" : "encoder_sequence_length";
  graph.output(presentName(layer, side, part), present, ["batch_size", config.numHeads, total, config.dKv]);
  return present;
}
