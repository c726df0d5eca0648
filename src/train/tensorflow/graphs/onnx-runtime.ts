// Hands graphs to onnxruntime: one model for every set of outputs that a graph is asked for.

import type { tf as TensorFlow } from "../tensorflow.ts";
import type { Value } from "./graph.ts";
import { type OnnxGraphRun, openOnnxGraph } from "./onnx-graph.ts";
import { onnxMemory } from "./onnx-memory.ts";
import { edgeName } from "./onnx-model.ts";
import type { GraphRuntime, RunGraph } from "./run-graph.ts";

/** onnxruntime, for the tensors of its backend. */
export function onnxRuntime(tf: typeof TensorFlow): GraphRuntime {
  return {
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
        const { ortTensor, tensorInfo } = onnxMemory();
        const tensors = new Map(feeds.map(({ input, tensor }) => [edgeName(input), tensor]));
        const inputs = graph.inputNames.map((name) => {
          const tensor = tensors.get(name);
          if (tensor === undefined) throw new Error(`a graph was given no tensor for its input ${name}`);
          return ortTensor(tensor);
        });
        return graph.run(inputs).map((made) => tf.engine().makeTensorFromTensorInfo(tensorInfo(made)));
      };
      const close = (): void => {
        for (const graph of opened.values()) graph.close();
      };
      return Object.assign(run, { close });
    },
  };
}
