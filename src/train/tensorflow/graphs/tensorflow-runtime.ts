// Hands graphs to native TensorFlow.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NativeOps } from "../tensorflow.ts";
import type { Value } from "./graph.ts";
import type { GraphRuntime, RunGraph } from "./run-graph.ts";
import { GRAPH_TAG, savedModel } from "./saved-model.ts";

/** Native TensorFlow, which opens a graph from a folder and compiles it anew for every set of outputs that it is asked for. */
export function tensorflowRuntime(ops: NativeOps): GraphRuntime {
  return {
    open({ nodes }) {
      const dir = mkdtempSync(join(tmpdir(), "stepwise-graph-"));
      let graph: number;
      try {
        writeFileSync(join(dir, "saved_model.pb"), savedModel(nodes));
        graph = ops.loadGraph(dir, GRAPH_TAG);
      } finally {
        rmSync(dir, { recursive: true, force: true });
      }
      const name = ({ node, output }: Value): string => `${node}:${output}`;
      const run: RunGraph = (feeds, outputs) =>
        ops.runGraph(
          graph,
          feeds.map(({ tensor }) => tensor),
          feeds.map(({ input }) => name(input)),
          outputs.map(name),
        );
      return Object.assign(run, { close: () => ops.closeGraph(graph) });
    },
  };
}
