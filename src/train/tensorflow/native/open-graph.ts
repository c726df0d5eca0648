// Hands a graph to native TensorFlow and runs it on tensors.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NativeOps, Tensor } from "../tensorflow.ts";
import type { Graph, Value } from "./graph.ts";
import { GRAPH_TAG, savedModel } from "./saved-model.ts";

/** Computes `outputs` from tensors for the graph's inputs; the caller disposes the results. */
export type RunGraph = (feeds: readonly { input: Value; tensor: Tensor }[], outputs: readonly Value[]) => Tensor[];

/** Opens a graph, for the life of the process unless it is closed. */
export function openGraph(ops: NativeOps, { nodes }: Graph): RunGraph & { close(): void } {
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
}
