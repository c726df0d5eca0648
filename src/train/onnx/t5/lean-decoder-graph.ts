// The worker's own decoder: a run takes every row on from where that row is, so that requests share its steps. The head is a graph of its own
// (lean-head-graph.ts), so that only positions whose next token is asked for pay for it.

import { LEAN, presentName } from "../../../shared/onnx-names.ts";
import type { Graph, Value } from "../graph/graph-builder.ts";
import {
  attentionMaps,
  feedForward,
  type LeanContext,
  residualStream,
  type Sublayer,
  toSequencesLike,
} from "./lean-blocks.ts";
import { rowPositionBias } from "./t5-blocks.ts";
import { type Past, pastInputs } from "./t5-cache.ts";

type Float = Value<"float32">;

/** What one attention of each kind reads beside the stream: its keys and values of earlier positions, and of the prompt. */
interface LayerInputs {
  own: Past;
  cross: Past;
}

/**
 * `inputs_embeds [B, T, D]`, `encoder_attention_mask [B, S]`, both caches and how much of the past is each row's -> `hidden_states
 * [B, T, D]` for the head and the grown cache of the self-attention. Mask and encoder side may have a batch of 1, which then serves all B
 * rows. Several positions at once (T > 1) need an empty past.
 */
export function buildLeanDecoder(t5: LeanContext): Graph {
  const { config, graph, ops } = t5;
  const sequences = ["batch_size", "decoder_sequence_length", config.dModel];
  const embedded = graph.input(LEAN.inputEmbeddings, "float32", sequences);
  const mask = graph.input(LEAN.encoderAttentionMask, "int64", ["source_batch_size", "past_encoder_sequence_length"]);
  const inputs = Array.from(
    { length: config.numDecoderLayers },
    (_, layer): LayerInputs => ({
      own: pastInputs(t5, layer, "decoder"),
      cross: pastInputs(t5, layer, "encoder", "source_batch_size"),
    }),
  );
  const pastLengths = graph.input(LEAN.pastLengths, "int64", ["batch_size"]);
  const total = graph.input(LEAN.totalLength, "int64", []);

  const length = ops.sizeOf(embedded, 1); // T, [1]
  const biasOf = rowPositionBias(t5, { pastLengths, total, length: ops.squeeze(length) });
  const lastPositions = ops.cast(ops.sub(ops.add(pastLengths, length), graph.int64([1])), "int32");
  const totalLength = ops.cast(total, "int32");
  const toSequences = toSequencesLike(t5, embedded, length);
  const selfAttention = selfAttentions(t5, { biasOf, lastPositions, totalLength, toSequences });
  const crossAttention = crossAttentions(t5, mask);

  const sublayers = inputs.flatMap(({ own, cross }, layer) => {
    const block = `decoder.block.${layer}`;
    return [
      selfAttention(`${block}.layer.0`, layer, own),
      crossAttention(`${block}.layer.1`, cross),
      feedForward(t5, `${block}.layer.2`),
    ];
  });
  const last = residualStream(t5, embedded, { sublayers, stack: "decoder" });
  const scaled = config.tieWordEmbeddings ? ops.mul(last, graph.float(config.dModel ** -0.5)) : last;
  graph.output(LEAN.hiddenStates, toSequences(scaled), sequences);
  return graph.finish();
}

/** The attention of each layer to its own past, which every row goes on from where it is, and which grows by the new positions. */
function selfAttentions(
  t5: LeanContext,
  shared: {
    /** `[B, H, T, total]` of each layer. */
    biasOf: (layer: number) => Float;
    /** `[B]`: the position of each row's last token of this run. */
    lastPositions: Value<"int32">;
    /** Positions of the longest row, this run's included; scalar. */
    totalLength: Value<"int32">;
    toSequences: (rows: Float) => Float;
  },
): (path: string, layer: number, past: Past) => Sublayer {
  const { config, graph, runtime } = t5;
  const { numHeads, dKv } = config;
  const { toSequences, biasOf, ...rows } = shared;
  const grownShape = ["batch_size", numHeads, "total_decoder_sequence_length", dKv];
  return (path, layer, past) => {
    const { project, output } = attentionMaps(t5, `${path}.SelfAttention`);
    return {
      path,
      change(normed) {
        const query = toSequences(project(normed, "q"));
        const key = toSequences(project(normed, "k"));
        const value = toSequences(project(normed, "v"));
        const { context, present } = runtime.rowAttention({
          query,
          key,
          value,
          past,
          numHeads,
          bias: biasOf(layer),
          ...rows,
        });
        graph.output(presentName(layer, "decoder", "key"), present.key, grownShape);
        graph.output(presentName(layer, "decoder", "value"), present.value, grownShape);
        return output(context);
      },
    };
  };
}

/**
 * The attention of each layer to the prompt, whose keys and values the encoder made. A prompt that serves several rows sees them as more
 * queries of its own, `[B*T, H*K]` -> `[prompts, queries, H*K]`: nothing in this attention depends on their order.
 */
function crossAttentions(t5: LeanContext, mask: Value<"int64">): (path: string, prompt: Past) => Sublayer {
  const { config, graph, ops, runtime } = t5;
  const { numHeads, dKv } = config;
  const byPrompt = ops.concat([ops.sizeOf(mask, 0), graph.int64([-1]), graph.int64([numHeads * dKv])], 0);
  const keyMask = ops.cast(mask, "int32");
  return (path, { key, value }) => {
    const { project, output } = attentionMaps(t5, `${path}.EncDecAttention`);
    return {
      path,
      change(normed) {
        const query = ops.reshape(project(normed, "q"), byPrompt);
        return output(runtime.attention({ query, key, value, keyMask, numHeads }));
      },
    };
  };
}
