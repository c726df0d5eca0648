// Graphs whose weights lie in shards beside them.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { GraphBuilder, type Initializer } from "../../../../src/train/onnx/graph/graph-builder.ts";
import { createOps } from "../../../../src/train/onnx/graph/ops.ts";
import { planShards, writeShardedModel } from "../../../../src/train/onnx/graph/sharded-model.ts";
import { bytesOf } from "../../../../src/train/onnx/graph/tensor-bytes.ts";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "stepwise-shards-"));
});
afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

function weight(name: string, bytes: number): Initializer<"int8"> {
  return { name, type: "int8", shape: [bytes], load: () => new Uint8Array(bytes) };
}

test("shards are filled in order up to the limit, and small weights stay in the graph", () => {
  const shards = planShards([weight("a", 4000), weight("b", 100), weight("c", 3000), weight("d", 5000)], 8000);
  expect(shards.map(({ initializers }) => initializers.map(({ name }) => name))).toEqual([["a", "c"], ["d"]]);
  expect(shards.map(({ bytes }) => bytes)).toEqual([7000, 5000]);
});

test("a weight larger than a shard has one of its own", () => {
  const shards = planShards([weight("a", 2000), weight("big", 9000), weight("c", 2000)], 8000);
  expect(shards.map(({ bytes }) => bytes)).toEqual([2000, 9000, 2000]);
});

test("onnxruntime reads every weight from its place in the shard", async () => {
  const graph = new GraphBuilder("sums");
  const ops = createOps(graph);
  const x = graph.input("x", "float32", [256]);
  // 256 values each, all equal: 1 + 20 + 300
  const constant = (name: string, value: number) =>
    graph.weight({
      name,
      type: "float32",
      shape: [256],
      load: () => bytesOf(new Float32Array(256).fill(value)),
    });
  const sum = ops.add(ops.add(ops.add(x, constant("a", 1)), constant("b", 20)), constant("c", 300));
  graph.output("y", ops.mul(sum, graph.float(2)), [256]);
  const written = await writeShardedModel({ name: "sums", graph: graph.finish(), path: (file) => join(dir, file) });
  expect(written.shards).toMatchObject([{ name: "sums_0.bin", bytes: 3 * 1024 }]);
  const data = new Uint8Array(await readFile(join(dir, "sums_0.bin")));
  const session = await ort.InferenceSession.create(await readFile(join(dir, "sums.onnx")), {
    externalData: [{ path: "sums_0.bin", data }],
  });
  const { y } = await session.run({ x: new ort.Tensor("float32", new Float32Array(256).fill(4000), [256]) });
  expect(new Set(y?.data as Float32Array)).toEqual(new Set([2 * 4321]));
  await session.release();
});

test("a weight that does not fill its shape is named", async () => {
  const graph = new GraphBuilder("short");
  const x = graph.input("x", "float32", [512]);
  const short = graph.weight({ name: "w", type: "float32", shape: [512], load: () => new Uint8Array(8) });
  graph.output("y", createOps(graph).add(x, short), [512]);
  const writing = writeShardedModel({ name: "short", graph: graph.finish(), path: (file) => join(dir, file) });
  await expect(writing).rejects.toThrow("8 bytes do not fill float32 [512]");
});
