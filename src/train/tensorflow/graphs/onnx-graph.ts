// A graph opened in onnxruntime for one set of outputs.

import type { GraphNode, Value } from "./graph.ts";
import { edgeName, neededNodes, onnxModel } from "./onnx-model.ts";
import { openOnnxSession, type Values } from "./onnx-session.ts";

export interface OnnxGraphRun {
  readonly inputNames: readonly string[];
  /** The outputs in their order, written into the arrays of `into` too where it is given. */
  run(feeds: ReadonlyMap<string, Values>, into?: readonly Values[]): Values[];
  close(): void;
}

/** Throws for an operation that has no form in ONNX here. */
export function openOnnxGraph(nodes: readonly GraphNode[], outputs: readonly Value[]): OnnxGraphRun {
  const session = openOnnxSession(onnxModel(neededNodes(nodes, outputs), outputs));
  const names = outputs.map(edgeName);
  return {
    inputNames: session.inputNames,
    run: (feeds, into) => session.run(feeds, new Map(names.map((name, i) => [name, into?.[i] ?? null]))),
    close: () => session.close(),
  };
}
