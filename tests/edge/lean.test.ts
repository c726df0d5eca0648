// The low-memory form of a model, on real graphs: three sessions and an embedding outside of them say what the plain form says.

import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema } from "onnx-buf";
import { InferenceSession } from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createEmbedding } from "../../src/edge/engine/lean.ts";
import { closeModel, loadModel, type Model } from "../../src/edge/engine/model.ts";
import { allLogits, decodeStep, encodeSources, repeatSource } from "../../src/edge/engine/t5.ts";
import { prepareEdgeModels } from "../../src/infer/edge-models.ts";
import { folderStore } from "../../src/serve/folder-store.ts";
import { createNodeRuntime } from "../../src/serve/node-runtime.ts";
import { isLean, MANIFEST_FILE, parseManifest } from "../../src/shared/manifest.ts";
import { parseT5Config } from "../../src/shared/t5-config.ts";
import { exportOnnx } from "../../src/train/onnx/export/export-onnx.ts";
import { exportTinyModel, type TinyWeights } from "../runtime/tiny-model.ts";

const nodeRuntime = createNodeRuntime(1);

const SOURCE = [20, 31, 42, 53, 24, 35, 46, 57, 28];
const TARGET = [0, 30, 41, 22, 63];

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * (y[i] ?? Number.NaN), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

function largestGap(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((max, value, i) => Math.max(max, Math.abs(value - (b[i] ?? Number.NaN))), 0);
}

/** The operators of an ONNX file, sorted. */
async function operatorsOf(path: string): Promise<string[]> {
  const model = fromBinary(ModelProtoSchema, await readFile(path));
  return (model.graph?.node ?? []).map(({ opType }) => opType).sort();
}

describe.each<TinyWeights>(["t5-v1.1", "t5-v1.0", "umt5"])("%s", (weights) => {
  let tiny: Awaited<ReturnType<typeof exportTinyModel>>;
  let lean: Model;
  let exact: Model;

  beforeAll(async () => {
    tiny = await exportTinyModel(weights);
    await exportOnnx({ modelDir: tiny.dir, name: "tiny", lean: true, exactParameters: 0 });
    const store = folderStore({ model: tiny.dir });
    lean = await loadModel(store, "model", "int8", nodeRuntime);
    exact = await loadModel(store, "model", "fp32", nodeRuntime);
  });
  afterAll(async () => {
    await closeModel(lean);
    await closeModel(exact);
    await tiny.remove();
  });

  test("the runtime's optimizer finds nothing to do in its graphs, which the worker therefore opens without it", async () => {
    for (const name of ["lean_encoder", "lean_decoder", "lean_head"]) {
      const written = join(tiny.dir, "onnx", `${name}.onnx`);
      const optimized = join(tiny.dir, `${name}.optimized.onnx`);
      await InferenceSession.create(written, { optimizedModelFilePath: optimized, graphOptimizationLevel: "extended" });
      expect(await operatorsOf(optimized)).toEqual(await operatorsOf(written));
    }
  });

  test("its logits point where fp32 logits point", async () => {
    expect(lean.lean).toBeDefined();
    expect(exact.lean).toBeUndefined();
    const [a, b] = await Promise.all(
      [lean, exact].map(async (model) => allLogits(model, await encodeSources(model, [SOURCE]), TARGET)),
    );
    expect(cosine(a ?? new Float32Array(0), b ?? new Float32Array(0))).toBeGreaterThan(0.995);
  });

  test("steps through the cache give the logits of one pass", async () => {
    const encoded = await encodeSources(lean, [SOURCE]);
    const whole = await allLogits(lean, encoded, TARGET);
    let cache: Awaited<ReturnType<typeof decodeStep>>["cache"] | undefined;
    for (const [t, id] of TARGET.entries()) {
      const step = await decodeStep(lean, encoded, [id], cache);
      cache = step.cache;
      const { vocabSize } = lean.config;
      expect(largestGap(step.logits, whole.subarray(t * vocabSize, (t + 1) * vocabSize))).toBeLessThan(1e-3);
    }
  });

  test("several candidates share one encoded source", async () => {
    const encoded = await encodeSources(lean, [SOURCE]);
    const one = await decodeStep(lean, encoded, [0]);
    const repeated = repeatSource(lean, encoded, 3);
    const three = await decodeStep(lean, repeated, [0, 0, 0]);
    const next = await decodeStep(lean, repeated, [30, 41, 30], three.cache);
    const alone = await decodeStep(lean, encoded, [41], one.cache);
    const { vocabSize } = lean.config;
    expect(largestGap(next.logits.subarray(vocabSize, 2 * vocabSize), alone.logits)).toBeLessThan(1e-3);
    expect(next.logits.subarray(0, vocabSize)).toEqual(next.logits.subarray(2 * vocabSize));
  });

  test("padding in a batch of sources does not move a row's logits", async () => {
    const together = await encodeSources(lean, [SOURCE.slice(0, 4), SOURCE]);
    const alone = await encodeSources(lean, [SOURCE.slice(0, 4)]);
    const both = await allLogits(lean, together, [0, 0]);
    const one = await allLogits(lean, alone, [0]);
    expect(largestGap(both.subarray(0, one.length), one)).toBeLessThan(1e-3);
  });

  test("the worker is given the lean files alone, and an export without them removes them", async () => {
    const assetsDir = join(tiny.dir, "assets");
    const { files } = await prepareEdgeModels({ policyDir: tiny.dir, rewardDir: tiny.dir, assetsDir });
    expect(files.map(({ path }) => path).filter((path) => path.includes("onnx/"))).toEqual([
      "policy/onnx/lean_encoder.onnx",
      "policy/onnx/lean_encoder_0.bin",
      "policy/onnx/lean_decoder.onnx",
      "policy/onnx/lean_decoder_0.bin",
      "policy/onnx/lean_head.onnx",
      "policy/onnx/lean_head_0.bin",
      "policy/onnx/lean_embedding.bin",
      "policy/onnx/lean_embedding_scales.bin",
    ]);
    await rm(assetsDir, { recursive: true });
    const outputDir = join(tiny.dir, "again");
    await exportOnnx({ modelDir: tiny.dir, outputDir, lean: true, dtypes: ["int8"] });
    await exportOnnx({ modelDir: tiny.dir, outputDir, lean: false, dtypes: ["int8"] });
    expect((await readdir(join(outputDir, "onnx"))).filter((name) => name.startsWith("lean"))).toEqual([]);
    const manifest = parseManifest(JSON.parse(await readFile(join(outputDir, MANIFEST_FILE), "utf8")));
    expect(manifest.files.filter(isLean)).toEqual([]);
  });
});

test("a small model is not rounded: its logits are those of fp32", async () => {
  const tiny = await exportTinyModel("t5-v1.0", { lean: true });
  try {
    const store = folderStore({ model: tiny.dir });
    const [lean, exact] = [
      await loadModel(store, "model", "int8", nodeRuntime),
      await loadModel(store, "model", "fp32", nodeRuntime),
    ];
    expect(lean.lean).toBeDefined();
    const logits = async (model: Model) => allLogits(model, await encodeSources(model, [SOURCE]), TARGET);
    const expected = await logits(exact);
    expect(largestGap(await logits(lean), expected)).toBeLessThan(1e-4 * Math.max(...expected.map(Math.abs)));
    await closeModel(lean);
    await closeModel(exact);
  } finally {
    await tiny.remove();
  }
});

test("an embedding is its int8 values times the scale of their 32", () => {
  const config = parseT5Config({ vocab_size: 2, d_model: 64, d_kv: 2, d_ff: 4, num_layers: 1, num_heads: 1 });
  const table = new Int8Array(128).fill(3, 0, 64).fill(-2, 64);
  const scales = Uint16Array.of(0x3f80, 0x4000, 0x3f00, 0x3e80); // 1, 2, 0.5, 0.25 as bfloat16
  const embed = createEmbedding(config, new Uint8Array(table.buffer), new Uint8Array(scales.buffer), "folder");
  const rows = embed([1, 0]);
  expect([rows[0], rows[31], rows[32], rows[63]]).toEqual([-1, -1, -0.5, -0.5]);
  expect([rows[64], rows[96]]).toEqual([3, 6]);
});

test("an embedding of another size is refused with both sizes", () => {
  const config = parseT5Config({ vocab_size: 2, d_model: 64, d_kv: 2, d_ff: 4, num_layers: 1, num_heads: 1 });
  expect(() => createEmbedding(config, new Uint8Array(100), new Uint8Array(8), "policy")).toThrow(
    "100 and 8 bytes are no embedding [2, 64] with its scales (policy)",
  );
});
