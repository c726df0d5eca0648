// A graph's bytes by hand, and what TensorFlow computes from them.

import { expect, test } from "vitest";
import { createGraph } from "../../../../src/train/tensorflow/graphs/graph.ts";
import { savedModel } from "../../../../src/train/tensorflow/graphs/saved-model.ts";
import { tensorflowRuntime } from "../../../../src/train/tensorflow/graphs/tensorflow-runtime.ts";
import { nativeIsInstalled, nativeOps, startTensorflow, tf } from "../../../../src/train/tensorflow/tensorflow.ts";

test("one node is a SavedModel of one tagged graph", () => {
  const graph = createGraph();
  graph.input();
  const node = [0x0a, 2, ..."n0".split("").map((c) => c.charCodeAt(0))];
  const op = [0x12, 11, ..."Placeholder".split("").map((c) => c.charCodeAt(0))];
  const attr = [0x2a, 11, 0x0a, 5, ..."dtype".split("").map((c) => c.charCodeAt(0)), 0x12, 2, 0x30, 1];
  const nodeDef = [...node, ...op, ...attr];
  const graphDef = [0x0a, nodeDef.length, ...nodeDef, 0x22, 3, 0x08, 0xbf, 0x08];
  const info = [0x22, 5, ..."serve".split("").map((c) => c.charCodeAt(0))];
  const meta = [0x0a, info.length, ...info, 0x12, graphDef.length, ...graphDef];
  expect([...savedModel(graph.nodes)]).toEqual([0x08, 1, 0x12, meta.length, ...meta]);
});

test.skipIf(!nativeIsInstalled())("TensorFlow computes (a b + 2) summed over rows", async () => {
  await startTensorflow("tensorflow");
  const ops = nativeOps();
  if (ops === undefined) throw new Error("native TensorFlow was started");
  const graph = createGraph();
  const [a, b] = [graph.input(), graph.input()];
  const more = graph.op("AddV2", [graph.op("MatMul", [a, b]), graph.scalar(2)]);
  const sum = graph.op("Sum", [more, graph.integers(0)], { Tidx: { type: "int32" } });
  const run = tensorflowRuntime(ops).open(graph);
  const feeds = [
    {
      input: a,
      tensor: tf.tensor2d([
        [1, 2],
        [3, 4],
      ]),
    },
    {
      input: b,
      tensor: tf.tensor2d([
        [1, 0],
        [0, 10],
      ]),
    },
  ];
  const [all, sums] = run(feeds, [more, sum]);
  expect(all?.arraySync()).toEqual([
    [3, 22],
    [5, 42],
  ]);
  expect(sums?.arraySync()).toEqual([8, 64]);
  run.close();
});
