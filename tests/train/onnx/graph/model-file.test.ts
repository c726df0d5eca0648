import { access, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema } from "onnx-buf";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CapacityError, ShapeError } from "../../../../src/shared/errors.ts";
import { type Graph, GraphBuilder } from "../../../../src/train/onnx/graph/graph-builder.ts";
import { writeModel } from "../../../../src/train/onnx/graph/model-file.ts";
import { createOps } from "../../../../src/train/onnx/graph/ops.ts";

let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "onnx-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

function product(shape: readonly number[], load: () => Uint8Array): Graph {
  const graph = new GraphBuilder("product");
  const ops = createOps(graph);
  const x = graph.input("x", "float32", ["batch_size", 2]);
  const weight = graph.weight({ name: "w", type: "float32", shape, load });
  graph.output(
    "y",
    graph.within("block", () => ops.matMul(x, weight)),
    ["batch_size", 3],
  );
  return graph.finish();
}

test("the streamed file parses as one ONNX message with names and raw bytes in place", async () => {
  const path = join(dir, "product.onnx");
  const bytes = new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer);
  const written = await writeModel(
    path,
    product([2, 3], () => bytes),
  );
  const content = await readFile(path);
  expect(written.bytes).toBe(content.length);
  const model = fromBinary(ModelProtoSchema, content);
  expect(model.opsetImport.map(({ domain, version }) => [domain, version])).toEqual([["", 17n]]);
  const [weight] = model.graph?.initializer ?? [];
  expect(weight).toMatchObject({ name: "w", dims: [2n, 3n], dataType: 1 });
  expect([...(weight?.rawData ?? [])]).toEqual([...bytes]);
  expect(model.graph?.node[0]).toMatchObject({
    opType: "MatMul",
    name: "/block/MatMul",
    input: ["x", "w"],
    output: ["y"],
  });
  expect(model.graph?.output[0]?.name).toBe("y");
});

test("a graph above 2 GiB is refused before a weight is read", async () => {
  const path = join(dir, "large.onnx");
  const load = () => {
    throw new Error("read");
  };
  await expect(writeModel(path, product([30_000, 20_000], load))).rejects.toThrow(CapacityError);
  await expect(access(path)).rejects.toThrow(/ENOENT/);
});

test("a weight that does not fill its shape is named", async () => {
  const graph = product([2, 3], () => new Uint8Array(20));
  await expect(writeModel(join(dir, "short.onnx"), graph)).rejects.toThrow(ShapeError);
  await expect(writeModel(join(dir, "short.onnx"), graph)).rejects.toThrow(/20 bytes do not fill.*initializer "w"/);
});
