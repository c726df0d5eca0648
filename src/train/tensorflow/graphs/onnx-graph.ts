// A graph opened in onnxruntime for one set of outputs.

import type { GraphNode, Value } from "./graph.ts";
import { edgeName, neededNodes, onnxModel } from "./onnx-model.ts";
import { openOnnxSession } from "./onnx-session.ts";
import type { OrtTensor } from "./ort-tensor.ts";

export interface OnnxGraphRun {
  /** The graph's inputs that lead to the outputs, by edge. */
  readonly inputNames: readonly string[];
  /** The outputs in their order, from tensors for `inputNames`; written into the tensors of `into` where it is given. */
  run(inputs: readonly OrtTensor[], into?: readonly OrtTensor[]): OrtTensor[];
  close(): void;
}

/** Throws for an operation that has no form in ONNX here. */
export function openOnnxGraph(nodes: readonly GraphNode[], outputs: readonly Value[]): OnnxGraphRun {
  const needed = neededNodes(nodes, outputs);
  const inputNames = needed.flatMap(({ op, name }) => (op === "Placeholder" ? [name] : []));
  const session = openOnnxSession(onnxModel(needed, outputs), { inputs: inputNames, outputs: outputs.map(edgeName) });
  return { ...session, inputNames };
}
