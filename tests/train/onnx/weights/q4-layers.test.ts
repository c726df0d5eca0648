// One linear map in 4 bits: the graph in both runtimes against float arithmetic on the weights that its codes stand for.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession as NodeSession, Tensor as NodeTensor } from "onnxruntime-node";
import { env, InferenceSession as WasmSession, Tensor as WasmTensor } from "onnxruntime-web/wasm";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Graph, GraphBuilder } from "../../../../src/train/onnx/graph/graph-builder.ts";
import { writeModel } from "../../../../src/train/onnx/graph/model-file.ts";
import { createQ4Layers } from "../../../../src/train/onnx/weights/q4-layers.ts";

const [OUT, IN, ROWS] = [5, 64, 3];
const weights = Float32Array.from({ length: OUT * IN }, (_, i) => Math.sin(i * 1.7) * (1 + (i % 3)));
const x = Float32Array.from({ length: ROWS * IN }, (_, i) => Math.cos(i * 0.9));

/** A graph of one map `[out, in]`. */
function linearGraph(out: number, inner: number, floats: ReadonlySet<string> = new Set()): Graph {
  const graph = new GraphBuilder("linear");
  const read = async () => weights.slice(0, out * inner);
  const layers = createQ4Layers(graph, { shape: () => [out, inner], read }, floats);
  const input = layers.activation(graph.input("x", "float32", ["batch", "rows", inner]));
  graph.output("y", layers.linear(input, "w"), ["batch", "rows", out]);
  return graph.finish();
}

let dir = "";
let path = "";
/** x times the weights that the file holds, and how far the largest rounding of an activation to 8 bits moves each product. */
const expected: { product: number; rounding: number }[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "q4-"));
  path = join(dir, "linear.onnx");
  const graph = linearGraph(OUT, IN);
  await writeModel(path, graph);
  const bytesOf = async (name: string): Promise<Uint8Array<ArrayBuffer>> =>
    Uint8Array.from((await graph.initializers.find((item) => item.name === name)?.load()) ?? []);
  const codes = await bytesOf("w_q4");
  const scales = new Float32Array((await bytesOf("w_q4_scale")).buffer);
  // row n has 32 bytes and 2 scales; an even k is in the low half of its byte
  const weightAt = (n: number, k: number): number => {
    const byte = codes[n * 32 + Math.floor(k / 2)] ?? Number.NaN;
    const code = k % 2 === 0 ? byte % 16 : Math.floor(byte / 16);
    return (code - 8) * (scales[n * 2 + Math.floor(k / 32)] ?? Number.NaN);
  };
  const step = 1 / 127; // no activation is larger than 1
  for (let row = 0; row < ROWS; row++) {
    for (let n = 0; n < OUT; n++) {
      let [product, rounding] = [0, 0];
      for (let k = 0; k < IN; k++) {
        product += (x[row * IN + k] ?? Number.NaN) * weightAt(n, k);
        rounding += (step / 2) * Math.abs(weightAt(n, k));
      }
      expected.push({ product, rounding });
    }
  }
});
afterAll(() => rm(dir, { recursive: true, force: true }));

test("WebAssembly multiplies with the weights that the codes stand for", async () => {
  env.wasm.numThreads = 1;
  const session = await WasmSession.create(await readFile(path), { executionProviders: ["wasm"] });
  const { y } = await session.run({ x: new WasmTensor("float32", x, [1, ROWS, IN]) });
  expect(y?.dims).toEqual([1, ROWS, OUT]);
  expected.forEach(({ product }, i) => {
    expect(y?.data[i]).toBeCloseTo(product, 4);
  });
  await session.release();
});

test("onnxruntime-node does so with activations in 8 bits", async () => {
  const session = await NodeSession.create(path);
  const { y } = await session.run({ x: new NodeTensor("float32", x, [1, ROWS, IN]) });
  expected.forEach(({ product, rounding }, i) => {
    expect(Math.abs(Number(y?.data[i]) - product)).toBeLessThan(rounding);
  });
  await session.release();
});

test("a matrix whose rows are no whole blocks is int8, and one of the front stays float32", () => {
  const opTypes = (graph: Graph): string[] => graph.nodes.map(({ opType }) => opType);
  expect(opTypes(linearGraph(5, 64))).toEqual(["MatMulNBits"]);
  expect(opTypes(linearGraph(5, 48))).toContain("MatMulInteger");
  expect(opTypes(linearGraph(5, 64, new Set(["w"])))).toEqual(["MatMul"]);
});
