// Keys and values of earlier positions: inputs of the decoder graph, and outputs grown by the new rows.

import { type CachePart, type CacheSide, pastName, presentName } from "../../../shared/onnx-names.ts";
import type { Value } from "../graph/graph-builder.ts";
import { splitHeads, type T5Context } from "./t5-blocks.ts";

type Float = Value<"float32">;

/** `[B, H, past, K]` each. */
export type Past = Record<CachePart, Float>;

/** The graph's inputs for one side of one layer; `batch` names their first dimension. */
export function pastInputs(
  { graph, config }: Pick<T5Context<never>, "graph" | "config">,
  layer: number,
  side: CacheSide,
  batch = "batch_size",
): Past {
  const input = (part: CachePart): Float =>
    graph.input(pastName(layer, side, part), "float32", [
      batch,
      config.numHeads,
      `past_${side}_sequence_length`,
      config.dKv,
    ]);
  return { key: input("key"), value: input("value") };
}

/** Cached rows and new ones `[B, new, H*K]` as `[B, H, past + new, K]`, which is also the cache for the next step. */
export function grow<A>(
  t5: T5Context<A>,
  past: Past,
  { layer, side, part }: { layer: number; side: CacheSide; part: CachePart },
  rows: Float,
): Float {
  const { graph, ops, config } = t5;
  const present = ops.concat([past[part], splitHeads(t5, rows)], 2);
  const total = side === "decoder" ? "total_decoder_sequence_length" : "encoder_sequence_length";
  graph.output(presentName(layer, side, part), present, ["batch_size", config.numHeads, total, config.dKv]);
  return present;
}
