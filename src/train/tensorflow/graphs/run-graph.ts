// What runs graphs: native TensorFlow, or onnxruntime. WebAssembly has no such thing, and computes operation by operation.

import type { Tensor } from "../tensorflow.ts";
import type { Graph, Value } from "./graph.ts";

/**
 * Computes `outputs` from tensors for the graph's inputs; the caller disposes the results. Of the last `kept` ones (default 0) nobody
 * keeps the values beyond the tensor: their memory is used again.
 */
export type RunGraph = (
  feeds: readonly { input: Value; tensor: Tensor }[],
  outputs: readonly Value[],
  kept?: number,
) => Tensor[];

export interface GraphRuntime {
  /** Opens a graph, for the life of the process unless it is closed. */
  open(graph: Graph): RunGraph & { close(): void };
}
