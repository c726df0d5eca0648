// The parts of the worker's own graphs (lean-encoder-graph.ts, lean-decoder-graph.ts), which run fewer nodes than those of transformers.js:
// attention and the residual norms are onnxruntime's own operators (runtime-ops.ts), and embeddings are looked up outside
// (lean-embedding.ts), so that their table never enters the runtime.
//
// Tensors have two forms. Linear maps and norms take rows `[B*T, n]`; attention takes sequences `[B, T, n]`. The residual stream is rows:
//
//   embedded ──┬─ norm ─ sublayer ─ + ─┬─ norm ─ sublayer ─ + ─ … ─ final norm
//              └───────────────────────┘└─────────────────────┘
//
// A sum and the norm after it are one node, so a sublayer is given its input normed, and gives back its change to the stream.

import type { T5Config } from "../../../shared/t5-config.ts";
import type { GraphBuilder, Value } from "../graph/graph-builder.ts";
import type { Ops } from "../graph/ops.ts";
import type { RuntimeOps } from "../graph/runtime-ops.ts";
import type { WeightSource } from "../weights/layers.ts";
import type { LeanLayers, Rows } from "../weights/lean-layers.ts";
import { normWeight } from "./t5-blocks.ts";

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

/** An attention or feed-forward with the norm before it. */
export interface Sublayer {
  /** Of the checkpoint, `decoder.block.0.layer.1` for example: its norm is the `layer_norm` there. */
  path: string;
  /** The change `[B*T, D]` that it adds to the residual stream. */
  change(normed: Rows): Float;
}

/** Embeddings `[B, T, D]` through all sublayers and the stack's final norm, as rows `[B*T, D]`. */
export function residualStream(
  t5: LeanContext,
  embedded: Float,
  { sublayers, stack }: { sublayers: readonly Sublayer[]; stack: "encoder" | "decoder" },
): Float {
  const { config, graph, runtime, layers } = t5;
  const finalNorm = `${stack}.final_layer_norm`;
  const norms = [...sublayers.map(({ path }) => `${path}.layer_norm`), finalNorm];
  const weightOf = (i: number): Float => normWeight(t5, norms[i] ?? finalNorm);
  let sum = toRows(t5, embedded, config.dModel);
  let normed = runtime.norm(sum, weightOf(0), config.layerNormEpsilon);
  for (const [i, { path, change }] of sublayers.entries()) {
    const delta = graph.within(path, () => change(layers.rows(normed)));
    const nextWeight = weightOf(i + 1);
    ({ sum, normed } = graph.within(path, () => runtime.addNorm(sum, delta, nextWeight, config.layerNormEpsilon)));
  }
  return normed;
}

/** Gated GELU or one ReLU layer. */
export function feedForward({ config, ops, runtime, layers }: LeanContext, path: string): Sublayer {
  const linear = (x: Rows, name: string): Float => layers.linear(x, `${path}.DenseReluDense.${name}.weight`);
  return {
    path,
    change(normed) {
      const hidden = config.gatedGelu
        ? ops.mul(runtime.gelu(linear(normed, "wi_0")), linear(normed, "wi_1"))
        : ops.relu(linear(normed, "wi"));
      return linear(layers.rows(hidden), "wo");
    },
  };
}

/** The linear maps of the attention at `path` in the checkpoint. */
export function attentionMaps({ config, graph, ops, layers }: LeanContext, path: string) {
  const linear = (x: Rows, letter: string): Float => layers.linear(x, `${path}.${letter}.weight`);
  return {
    /** `[B*T, D]` -> queries, keys or values `[B*T, H*K]`. */
    project: (x: Rows, letter: "q" | "k" | "v"): Float => linear(x, letter),
    /** What attention made of them, `[B, T, H*K]`, -> `[B*T, D]`. */
    output(context: Float): Float {
      const rows = ops.reshape(context, graph.int64([-1, config.numHeads * config.dKv]));
      return linear(layers.rows(rows), "o");
    },
  };
}

/** `[B, T, n]` -> `[B*T, n]`. */
export function toRows({ graph, ops }: LeanContext, x: Float, width: number): Float {
  return ops.reshape(x, graph.int64([-1, width]));
}

/** How rows become sequences again, `[B*T, n]` -> `[B, T, n]`, with B and T those of `like`; `length` is its T, `[1]`, where it is known. */
export function toSequencesLike(
  { graph, ops }: LeanContext,
  like: Float,
  length: Value<"int64"> = ops.sizeOf(like, 1),
): (rows: Float) => Float {
  const shape = ops.concat([ops.sizeOf(like, 0), length, graph.int64([-1])], 0);
  return (rows) => ops.reshape(rows, shape);
}
