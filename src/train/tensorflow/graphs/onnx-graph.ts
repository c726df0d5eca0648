// A graph opened in onnxruntime for one set of outputs. Their shapes are worked out before a run, which then writes them where they shall stay:
// onnxruntime's own results would be copied into arrays of JavaScript.

import type { GraphNode, Value } from "./graph.ts";
import { edgeName, neededNodes, onnxModel } from "./onnx-model.ts";
import { openOnnxSession, type Values } from "./onnx-session.ts";
import { inferShapes } from "./shapes.ts";

export interface OnnxGraphRun {
  readonly inputNames: readonly string[];
  /** The outputs in their order; `place` gives the array that output number `i` is written into. */
  run(feeds: ReadonlyMap<string, Values>, place?: (length: number, i: number) => Float32Array): Values[];
  close(): void;
}

/** Throws for an operation that has no form in ONNX here. */
export function openOnnxGraph(nodes: readonly GraphNode[], outputs: readonly Value[]): OnnxGraphRun {
  const needed = neededNodes(nodes, outputs);
  const session = openOnnxSession(onnxModel(needed, outputs));
  const shapesOf = inferShapes(needed, outputs);
  const names = outputs.map(edgeName);
  return {
    inputNames: session.inputNames,
    run(feeds, place = (length) => new Float32Array(length)) {
      const shapes = shapesOf(new Map([...feeds].map(([name, { dims }]) => [name, dims])));
      const into = shapes.map((dims, i) => {
        const length = dims.reduce((size, dim) => size * dim, 1);
        return { data: place(length, i), dims };
      });
      session.run(feeds, new Map(names.map((name, i) => [name, into[i] ?? { data: new Float32Array(), dims: [] }])));
      return into;
    },
    close: () => session.close(),
  };
}
