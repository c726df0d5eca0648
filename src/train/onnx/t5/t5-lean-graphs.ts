// The worker's own three graphs, which hold less memory and run fewer nodes than the two of transformers.js: the encoder emits the
// cross-attention's keys and values at once, so that a step of the decoder needs no encoder states, and the head is a graph of its own.
// Embeddings are looked up outside (lean-embedding.ts), so that their table never enters the runtime. Inside, activations are rows
// `[B*T, n]`; attention and the residual norms are onnxruntime's own operators (runtime-ops.ts).

import { ENCODER_INPUTS, LEAN, LOGITS, pastName, presentName } from "../../../shared/onnx-names.ts";
import type { T5Config } from "../../../shared/t5-config.ts";
import type { Graph, GraphBuilder, Value } from "../graph/graph-builder.ts";
import type { Ops } from "../graph/ops.ts";
import type { RuntimeOps } from "../graph/runtime-ops.ts";
import type { WeightSource } from "../weights/layers.ts";
import type { LeanLayers, Rows } from "../weights/lean-layers.ts";
import { normWeight, positionBias, rowPositionBias, splitHeads } from "./t5-blocks.ts";
import { type Past, pastInputs } from "./t5-cache.ts";

type Float = Value<"float32">;

/** What every fragment needs. */
export interface LeanContext {
  config: T5Config;
  graph: GraphBuilder;
  ops: Ops;
  runtime: RuntimeOps;
  layers: LeanLayers;
  weights: WeightSource;
}

/** A sublayer: the path of its norm, and its change to the residual `[rows, D]` from the normed one. */
interface Sublayer {
  path: string;
  apply: (normed: Rows) => Float;
}

/** `inputs_embeds [B, S, D]`, `attention_mask [B, S]` -> the decoder's `past_key_values.{i}.encoder.{key,value} [B, H, S, K]`. */
export function buildLeanEncoder(t5: LeanContext): Graph {
  const { config, graph, ops, layers } = t5;
  const embedded = graph.input(LEAN.inputEmbeddings, "float32", [
    "batch_size",
    "encoder_sequence_length",
    config.dModel,
  ]);
  const mask = graph.input(ENCODER_INPUTS.attentionMask, "int64", ["batch_size", "encoder_sequence_length"]);
  const unflatten = unflattener(t5, embedded);
  const keyMask = ops.cast(mask, "int32");
  const positions = ops.range(ops.squeeze(ops.sizeOf(mask, 1)));
  const bias = positionBias(t5, positions, positions, true); // [1, H, S, S]
  const sublayers = Array.from({ length: config.numLayers }, (_, i) => `encoder.block.${i}`).flatMap((block) => [
    sublayer(`${block}.layer.0`, (normed) =>
      attend(t5, `${block}.layer.0.SelfAttention`, (linear) => ({
        query: unflatten(linear(normed, "q")),
        key: unflatten(linear(normed, "k")),
        value: unflatten(linear(normed, "v")),
        keyMask,
        bias,
      })),
    ),
    sublayer(`${block}.layer.1`, (normed) => feedForward(t5, normed, `${block}.layer.1.DenseReluDense`)),
  ]);
  const last = layers.rows(stack(t5, embedded, sublayers, "encoder"));
  for (let layer = 0; layer < config.numDecoderLayers; layer++) {
    for (const [part, letter] of [
      ["key", "k"],
      ["value", "v"],
    ] as const) {
      const rows = layers.linear(last, `decoder.block.${layer}.layer.1.EncDecAttention.${letter}.weight`);
      const shape = ["batch_size", config.numHeads, "encoder_sequence_length", config.dKv];
      graph.output(pastName(layer, "encoder", part), splitHeads(t5, unflatten(rows)), shape);
    }
  }
  return graph.finish();
}

/**
 * `inputs_embeds [B, T, D]`, `encoder_attention_mask [B, S]`, both caches and how much of the past is each row's -> `hidden_states
 * [B, T, D]` for the head and the grown cache of the self-attention. Mask and encoder side may have a batch of 1, which then serves all B
 * rows. Several positions at once (T > 1) need an empty past.
 */
export function buildLeanDecoder(t5: LeanContext): Graph {
  const { config, graph, ops } = t5;
  const { numHeads, dKv } = config;
  const embedded = graph.input(LEAN.inputEmbeddings, "float32", [
    "batch_size",
    "decoder_sequence_length",
    config.dModel,
  ]);
  const mask = graph.input(LEAN.encoderAttentionMask, "int64", ["source_batch_size", "past_encoder_sequence_length"]);
  const all = Array.from({ length: config.numDecoderLayers }, (_, layer) => ({
    own: pastInputs(t5, layer, "decoder"),
    cross: pastInputs(t5, layer, "encoder", "source_batch_size"),
  }));
  const pastLengths = graph.input(LEAN.pastLengths, "int64", ["batch_size"]);
  const total = graph.input(LEAN.totalLength, "int64", []);
  const perRow = ops.sizeOf(embedded, 1);
  const bias = rowPositionBias(t5, { pastLengths, total, length: ops.squeeze(perRow) });
  const lastPositions = ops.cast(ops.sub(ops.add(pastLengths, perRow), graph.int64([1])), "int32");
  const totalLength = ops.cast(total, "int32");
  const unflatten = unflattener(t5, embedded, perRow);
  // a source that serves several rows sees them as more queries of its own: nothing in this attention depends on their order
  const bySource = ops.concat([ops.sizeOf(mask, 0), graph.int64([-1]), graph.int64([numHeads * dKv])], 0);
  const keyMask = ops.cast(mask, "int32");
  const sublayers = all.flatMap(({ own, cross }, layer) => {
    const block = `decoder.block.${layer}`;
    return [
      sublayer(`${block}.layer.0`, (normed) =>
        selfAttend(t5, { block, layer, own, bias, lastPositions, totalLength, unflatten }, normed),
      ),
      sublayer(`${block}.layer.1`, (normed) =>
        attend(t5, `${block}.layer.1.EncDecAttention`, (linear) => ({
          query: ops.reshape(linear(normed, "q"), bySource),
          ...cross,
          keyMask,
        })),
      ),
      sublayer(`${block}.layer.2`, (normed) => feedForward(t5, normed, `${block}.layer.2.DenseReluDense`)),
    ];
  });
  const last = stack(t5, embedded, sublayers, "decoder");
  const scaled = config.tieWordEmbeddings ? ops.mul(last, graph.float(config.dModel ** -0.5)) : last;
  graph.output(LEAN.hiddenStates, unflatten(scaled), ["batch_size", "decoder_sequence_length", config.dModel]);
  return graph.finish();
}

/** `hidden_states [B, T, D]` -> `logits [B, T, V]`; `head` names the tensor `[V, D]` of the output projection. */
export function buildLeanHead(t5: LeanContext, head: string): Graph {
  const { config, graph, layers } = t5;
  const shape = ["batch_size", "decoder_sequence_length"];
  const hidden = graph.input(LEAN.hiddenStates, "float32", [...shape, config.dModel]);
  const logits = layers.linear(layers.rows(flatten(t5, hidden, config.dModel)), head);
  graph.output(LOGITS, unflattener(t5, hidden)(logits), [...shape, config.vocabSize]);
  return graph.finish();
}

function sublayer(path: string, apply: Sublayer["apply"]): Sublayer {
  return { path, apply };
}

/** The residual stream through all sublayers and the final norm: `[B, T, D]` to `[B*T, D]`. A sum and the next norm are one node. */
function stack(t5: LeanContext, embedded: Float, sublayers: readonly Sublayer[], name: "encoder" | "decoder"): Float {
  const { config, graph, runtime, layers } = t5;
  const final = `${name}.final_layer_norm`;
  let sum = flatten(t5, embedded, config.dModel);
  const norms = sublayers.map(({ path }) => `${path}.layer_norm`).concat(final);
  let normed = runtime.norm(sum, normWeight(t5, norms[0] ?? final), config.layerNormEpsilon);
  for (const [i, { path, apply }] of sublayers.entries()) {
    const change = graph.within(path, () => apply(layers.rows(normed)));
    const weight = normWeight(t5, norms[i + 1] ?? final);
    ({ sum, normed } = graph.within(path, () => runtime.addNorm(sum, change, weight, config.layerNormEpsilon)));
  }
  return normed;
}

/** Attention whose inputs are made with `linear(x, letter)`; `layer` is given where its cache grows. Result `[rows, D]`. */
function attend(
  { config, graph, ops, runtime, layers }: LeanContext,
  path: string,
  inputs: (linear: (x: Rows, letter: string) => Float) => Omit<Parameters<RuntimeOps["attention"]>[0], "numHeads">,
): Float {
  const { numHeads, dKv } = config;
  const linear = (x: Rows, letter: string): Float => layers.linear(x, `${path}.${letter}.weight`);
  const context = runtime.attention({ ...inputs(linear), numHeads });
  return linear(layers.rows(ops.reshape(context, graph.int64([-1, numHeads * dKv]))), "o");
}

/** The decoder's attention to its own past, which every row goes on from where it is. Result `[rows, D]`. */
function selfAttend(
  { config, graph, ops, runtime, layers }: LeanContext,
  input: Pick<Parameters<RuntimeOps["rowAttention"]>[0], "bias" | "lastPositions" | "totalLength"> & {
    block: string;
    layer: number;
    own: Past;
    unflatten: (rows: Float) => Float;
  },
  normed: Rows,
): Float {
  const { block, layer, own, unflatten, bias, lastPositions, totalLength } = input;
  const { numHeads, dKv } = config;
  const linear = (x: Rows, letter: string): Float =>
    layers.linear(x, `${block}.layer.0.SelfAttention.${letter}.weight`);
  const of = (letter: string): Float => unflatten(linear(normed, letter));
  const { context, present } = runtime.rowAttention({
    query: of("q"),
    key: of("k"),
    value: of("v"),
    past: own,
    bias,
    lastPositions,
    totalLength,
    numHeads,
  });
  const shape = ["batch_size", numHeads, "total_decoder_sequence_length", dKv];
  graph.output(presentName(layer, "decoder", "key"), present.key, shape);
  graph.output(presentName(layer, "decoder", "value"), present.value, shape);
  return linear(layers.rows(ops.reshape(context, graph.int64([-1, numHeads * dKv]))), "o");
}

/** Gated GELU or one ReLU layer. */
function feedForward({ config, ops, runtime, layers }: LeanContext, x: Rows, path: string): Float {
  const hidden = config.gatedGelu
    ? ops.mul(runtime.gelu(layers.linear(x, `${path}.wi_0.weight`)), layers.linear(x, `${path}.wi_1.weight`))
    : ops.relu(layers.linear(x, `${path}.wi.weight`));
  return layers.linear(layers.rows(hidden), `${path}.wo.weight`);
}

/** `[B, T, n]` -> `[B*T, n]`. */
function flatten({ graph, ops }: LeanContext, x: Float, width: number): Float {
  return ops.reshape(x, graph.int64([-1, width]));
}

/** `[B*T, n]` -> `[B, T, n]`, with B and T those of `like`; `perRow` is its T, `[1]`, where it is there already. */
function unflattener(
  { graph, ops }: LeanContext,
  like: Float,
  perRow: Value<"int64"> = ops.sizeOf(like, 1),
): (rows: Float) => Float {
  const shape = ops.concat([ops.sizeOf(like, 0), perRow, graph.int64([-1])], 0);
  return (rows) => ops.reshape(rows, shape);
}
