// Hands graphs to onnxruntime: one model for every set of outputs that a graph is asked for.

import type { Tensor, tf as TensorFlow } from "../tensorflow.ts";
import type { Value } from "./graph.ts";
import { type OnnxGraphRun, openOnnxGraph } from "./onnx-graph.ts";
import { edgeName } from "./onnx-model.ts";
import type { Values } from "./onnx-session.ts";
import type { GraphRuntime, RunGraph } from "./run-graph.ts";

/** onnxruntime, for tensors whose values JavaScript holds: inputs are read where they are, results are copied out of it. */
export function onnxRuntime(tf: typeof TensorFlow): GraphRuntime {
  return {
    copiesResults: true,
    open({ nodes }) {
      const opened = new Map<string, OnnxGraphRun>();
      const openedFor = (outputs: readonly Value[]): OnnxGraphRun => {
        const key = outputs.map(edgeName).join(" ");
        const graph = opened.get(key) ?? openOnnxGraph(nodes, outputs);
        opened.set(key, graph);
        return graph;
      };
      const run: RunGraph = (feeds, outputs) => {
        const graph = openedFor(outputs);
        const tensors = new Map(feeds.map(({ input, tensor }) => [edgeName(input), tensor]));
        const values = new Map(graph.inputNames.map((name) => [name, valuesOf(tensors.get(name), name)]));
        return graph.run(values).map(({ data, dims }) => tf.tensor(data, [...dims], "float32"));
      };
      const close = (): void => {
        for (const graph of opened.values()) graph.close();
      };
      return Object.assign(run, { close });
    },
  };
}

function valuesOf(tensor: Tensor | undefined, name: string): Values {
  if (tensor === undefined) throw new Error(`a graph was given no tensor for its input ${name}`);
  const data = tensor.dataSync();
  if (data instanceof Float32Array || data instanceof Int32Array) return { data, dims: tensor.shape };
  throw new TypeError(`a graph was given a tensor of ${tensor.dtype}`);
}
