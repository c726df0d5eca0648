// The parts of a T5 layer as graph fragments (Raffel et al. 2020, arXiv:1910.10683; transformers modeling_t5.py).
// Attention is not divided by sqrt(dKv): T5 folds that into its initial weights.

import type { T5Config } from "../../../shared/t5-config.ts";
import { biasTable } from "../../model/parameters.ts";
import type { GraphBuilder, Value } from "../graph/graph-builder.ts";
import type { Ops } from "../graph/ops.ts";
import { bytesOf } from "../graph/tensor-bytes.ts";
import type { Layers, WeightSource } from "../weights/layers.ts";
import { distanceBiasTable, distanceColumns } from "./relative-bias.ts";

type Float = Value<"float32">;
type Int = Value<"int64">;

/** What every fragment needs. */
export interface T5Context<A> {
  config: T5Config;
  graph: GraphBuilder;
  ops: Ops;
  layers: Layers<A>;
  weights: WeightSource;
}

/** Added to scores that must not be seen; finite, so that a row without any visible key stays free of NaN. */
const MASKED = -3.4028234663852886e38;

/** RMS norm over the last axis: no mean, no bias. */
export function rmsNorm(
  { graph, ops, config, weights }: Pick<T5Context<never>, "graph" | "ops" | "config" | "weights">,
  x: Float,
  path: string,
): Float {
  const weight = normWeight({ graph, config, weights }, path);
  return graph.within("layer_norm", () => {
    const variance = ops.reduceMean(ops.pow(x, graph.float(2)));
    const normed = ops.div(x, ops.sqrt(ops.add(variance, graph.float(config.layerNormEpsilon))));
    return ops.mul(normed, weight);
  });
}

/** The weight `[D]` of a norm. */
export function normWeight(
  { graph, config, weights }: Pick<T5Context<never>, "graph" | "config" | "weights">,
  path: string,
): Float {
  const name = `${path}.weight`;
  const load = async (): Promise<Uint8Array> => bytesOf(await weights.read(name));
  return graph.weight({ name, type: "float32", shape: [config.dModel], load });
}

/** Gated GELU (tanh form on wi_0) or one ReLU layer; `x` and result `[B, T, D]`. */
export function feedForward<A>(t5: T5Context<A>, x: Float, path: string): Float {
  const { graph, ops, layers, config } = t5;
  return graph.within("feed_forward", () => {
    const input = layers.activation(x);
    const hidden = config.gatedGelu
      ? ops.mul(geluTanh(t5, layers.linear(input, `${path}.wi_0.weight`)), layers.linear(input, `${path}.wi_1.weight`))
      : ops.relu(layers.linear(input, `${path}.wi.weight`));
    return layers.linear(layers.activation(hidden), `${path}.wo.weight`);
  });
}

/** 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), in the order that onnxruntime recognises and fuses. */
function geluTanh<A>({ graph, ops }: T5Context<A>, x: Float): Float {
  const cubic = ops.add(x, ops.mul(ops.pow(x, graph.float(3)), graph.float(0.044715)));
  const bell = ops.add(ops.tanh(ops.mul(cubic, graph.float(Math.sqrt(2 / Math.PI)))), graph.float(1));
  return ops.mul(ops.mul(x, graph.float(0.5)), bell);
}

/** `[B, T, H*K]` -> `[B, H, T, K]`. */
export function splitHeads(
  { graph, ops, config }: Pick<T5Context<never>, "graph" | "ops" | "config">,
  x: Float,
): Float {
  // 0 copies a dimension, also where it is 0; -1 would be ambiguous for an empty sequence
  return ops.transpose(ops.reshape(x, graph.int64([0, 0, config.numHeads, config.dKv])), [0, 2, 1, 3]);
}

/** Attention of queries `[B, T, H*K]` to keys and values `[B, H, S, K]`, `bias` added to the scores; result `[B, T, D]`. */
export function attend<A>(
  t5: T5Context<A>,
  input: { query: Float; key: Float; value: Float; bias: Float; outputWeight: string },
): Float {
  const { graph, ops, layers, config } = t5;
  const query = splitHeads(t5, input.query);
  const scores = ops.matMul(query, ops.transpose(input.key, [0, 1, 3, 2])); // [B, H, T, S]
  const context = ops.matMul(ops.softmax(ops.add(scores, input.bias)), input.value); // [B, H, T, K]
  const merged = ops.reshape(ops.transpose(context, [0, 2, 1, 3]), graph.int64([0, 0, config.numHeads * config.dKv]));
  return layers.linear(layers.activation(merged), input.outputWeight);
}

/** 0 where a key is real, MASKED where it is padding: `mask [B, S]` -> `[B, 1, 1, S]`. */
export function paddingBias<A>({ graph, ops }: T5Context<A>, mask: Int): Float {
  const padding = ops.sub(graph.float(1), ops.cast(mask, "float32"));
  return ops.unsqueeze(ops.mul(padding, graph.float(MASKED)), graph.int64([1, 2]));
}

/** What a layer's self-attention adds to its scores: the same value for every layer, or one of the layer's own. */
type BiasOfLayer = (layer: number) => Float;
type BiasContext = Pick<T5Context<never>, "graph" | "ops" | "config" | "weights">;

/** Relative position bias `[1, H, T, S]` of queries at `queryPositions [T]` on keys at `keyPositions [S]`. */
export function positionBias(
  t5: BiasContext,
  queryPositions: Int,
  keyPositions: Int,
  bidirectional: boolean,
): BiasOfLayer {
  const { graph, ops, config } = t5;
  return byLayer(t5, bidirectional ? "encoder" : "decoder", () => {
    const max = graph.int64(config.relativeAttentionMaxDistance);
    const query = ops.unsqueeze(queryPositions, graph.int64([1])); // [T, 1]
    const key = ops.unsqueeze(keyPositions, graph.int64([0])); // [1, S]
    if (bidirectional) {
      const ahead = ops.clip(ops.sub(key, query), graph.int64(-config.relativeAttentionMaxDistance), max);
      const column = ops.add(ahead, max);
      return (table) => ops.unsqueeze(ops.gather(table, column, 1), graph.int64([0]));
    }
    const back = ops.sub(query, key); // negative for keys in the future
    const column = ops.clip(back, graph.int64(0), max);
    let future: Value<"bool"> | undefined;
    return (table) => {
      const bias = ops.gather(table, column, 1); // [H, T, S]
      future ??= ops.less(back, graph.int64(0));
      return ops.unsqueeze(ops.where(future, graph.float(MASKED), bias), graph.int64([0]));
    };
  });
}

/** Relative position bias `[B, H, T, total]` of rows that go on from `pastLengths [B]`, T = `length`. What lies ahead is not masked. */
export function rowPositionBias(
  t5: BiasContext,
  { pastLengths, total, length }: { pastLengths: Int; total: Int; length: Int },
): BiasOfLayer {
  const { graph, ops, config } = t5;
  return byLayer(t5, "decoder", () => {
    const queries = ops.add(ops.unsqueeze(pastLengths, graph.int64([1])), ops.range(length)); // [B, T]
    const back = ops.sub(ops.unsqueeze(queries, graph.int64([2])), ops.range(total)); // [B, T, total]
    const column = ops.clip(back, graph.int64(0), graph.int64(config.relativeAttentionMaxDistance));
    return (table) => ops.transpose(ops.gather(table, column, 1), [1, 0, 2, 3]);
  });
}

/**
 * The bias of each layer. `distances` builds once what of it is the same for all layers, and gives what reads a table by it; layers' own
 * biases are built where they are asked for, so that no two need to be in memory.
 */
function byLayer(t5: BiasContext, stack: "encoder" | "decoder", distances: () => (table: Float) => Float): BiasOfLayer {
  const { graph, config } = t5;
  const first = distanceTable(t5, stack, 0);
  const within = <T>(build: () => T): T => graph.within("position_bias", build);
  const { read, shared } = within(() => {
    const readTable = distances();
    return { read: readTable, shared: config.ownBiasTables ? undefined : readTable(first) };
  });
  return (layer) => {
    if (shared !== undefined) return shared;
    const table = layer === 0 ? first : distanceTable(t5, stack, layer);
    return within(() => read(table));
  };
}

/** The bias by distance, `[H, n]` (relative-bias.ts). */
function distanceTable({ graph, config, weights }: BiasContext, stack: "encoder" | "decoder", layer: number): Float {
  const name = biasTable(config, stack, layer);
  const bidirectional = stack === "encoder";
  return graph.weight({
    name,
    type: "float32",
    shape: [config.numHeads, distanceColumns(config, bidirectional)],
    load: async () => bytesOf(distanceBiasTable(await weights.read(name), config, bidirectional)),
  });
}
