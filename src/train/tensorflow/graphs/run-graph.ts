// What runs graphs: native TensorFlow, or onnxruntime. WebAssembly has no such thing, and computes operation by operation.

import type { Tensor } from "../tensorflow.ts";
import type { Graph, Value } from "./graph.ts";

/** Computes `outputs` from tensors for the graph's inputs; the caller disposes the results. */
export type RunGraph = (feeds: readonly { input: Value; tensor: Tensor }[], outputs: readonly Value[]) => Tensor[];

export interface GraphRuntime {
  /** Opens a graph, for the life of the process unless it is closed. */
  open(graph: Graph): RunGraph & { close(): void };
}
