// An adapter's export on real graphs: one set of weights is the adapted model at scale 1 and its base at scale 0.

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createEngine } from "../../src/edge/engine/engine.ts";
import { closeModel, judgeOf, loadModel, type Model } from "../../src/edge/engine/model.ts";
import { allLogits, encodeSources } from "../../src/edge/engine/t5.ts";
import { folderStore } from "../../src/serve/folder-store.ts";
import { createNodeRuntime } from "../../src/serve/node-runtime.ts";
import { MANIFEST_FILE, parseManifest } from "../../src/shared/manifest.ts";
import { exportOnnx } from "../../src/train/onnx/export/export-onnx.ts";
import { exportedModels } from "../../src/train/onnx/export/exported-models.ts";
import { writeSafetensors } from "../../src/train/store/safetensors.ts";
import { exportTinyModel } from "../runtime/tiny-model.ts";

const nodeRuntime = createNodeRuntime(1);

const SOURCE = [20, 31, 42, 53, 24, 35, 46, 57, 28];
const TARGET = [0, 30, 41, 22, 63];
const [RANK, D_MODEL, D_FF, INNER] = [2, 32, 48, 24];

let base: Awaited<ReturnType<typeof exportTinyModel>>;
let adapterDir = "";
const opened: Model[] = [];

async function open(dir: string, dtype: "int8" | "fp32"): Promise<Model> {
  const model = await loadModel(folderStore({ model: dir }), "model", dtype, nodeRuntime);
  opened.push(model);
  return model;
}

async function logitsOf(model: Model): Promise<Float32Array> {
  return allLogits(model, await encodeSources(model, [SOURCE]), TARGET);
}

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, i) => sum + value * (y[i] ?? Number.NaN), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

/** peft's files of an adapter on every wo, and on the cross-attention's values. */
async function writeAdapter(dir: string, baseDir: string): Promise<void> {
  await mkdir(dir);
  for (const name of ["config.json", "tokenizer.json", "tokenizer_config.json"])
    await writeFile(join(dir, name), await readFile(join(baseDir, name)));
  const config = { peft_type: "LORA", base_model_name_or_path: baseDir, r: RANK, lora_alpha: 4 };
  await writeFile(join(dir, "adapter_config.json"), JSON.stringify({ ...config, target_modules: ["wo", "v"] }));
  const wave = (count: number, phase: number) =>
    Float32Array.from({ length: count }, (_, i) => 0.4 * Math.sin(i + phase));
  const tensors = (path: string, inputs: number, outputs: number) => [
    { name: `base_model.model.${path}.lora_A.weight`, shape: [RANK, inputs], data: wave(RANK * inputs, 1) },
    { name: `base_model.model.${path}.lora_B.weight`, shape: [outputs, RANK], data: wave(outputs * RANK, 2) },
  ];
  await writeSafetensors(join(dir, "adapter_model.safetensors"), [
    ...tensors("encoder.block.0.layer.1.DenseReluDense.wo", D_FF, D_MODEL),
    ...tensors("decoder.block.1.layer.2.DenseReluDense.wo", D_FF, D_MODEL),
    ...tensors("decoder.block.0.layer.1.EncDecAttention.v", D_MODEL, INNER),
  ]);
}

beforeAll(async () => {
  base = await exportTinyModel("t5-v1.1");
  await exportOnnx({ modelDir: base.dir, lean: true, exactParameters: 0 });
  adapterDir = join(base.dir, "adapter");
  await writeAdapter(adapterDir, base.dir);
  await exportOnnx({ modelDir: adapterDir, exactParameters: 0 });
});
afterAll(async () => {
  for (const model of opened) await closeModel(model);
  await rm(base.dir, { recursive: true, force: true });
});

test("at scale 1 its logits point where the merged weights' fp32 logits point, and not where the base's do", async () => {
  const adapted = await logitsOf(await open(adapterDir, "int8"));
  const merged = await logitsOf(await open(adapterDir, "fp32"));
  const plain = await logitsOf(await open(base.dir, "fp32"));
  expect(cosine(adapted, merged)).toBeGreaterThan(0.995);
  expect(cosine(adapted, plain)).toBeLessThan(0.9);
});

test("at scale 0 its logits are those of the base's own export, to the last bit", async () => {
  const judge = judgeOf(await open(adapterDir, "int8"));
  expect(await logitsOf(judge)).toEqual(await logitsOf(await open(base.dir, "int8")));
});

test("one folder as policy and reward model scores as the base does, under the base's name", async () => {
  const store = folderStore({ adapter: adapterDir, base: base.dir });
  const engine = (reward: string) =>
    createEngine({ store, runtime: nodeRuntime, policy: "adapter", reward, dtype: "int8", maxWaiting: 1 });
  const request = {
    prompt: "1 + 1?",
    completions: [{ field: "completion", steps: [{ text: "1 + 1 = 2" }, { text: "A: 2" }] }],
    aggregation: "mean" as const,
    context: "prefix" as const,
  };
  const [one, two] = [await engine("adapter").score(request), await engine("base").score(request)];
  expect(one.completions).toEqual(two.completions);
  expect(one.model).toBe(basename(base.dir));
});

test("the manifest names the base, and a policy served with its base is one folder", async () => {
  const manifest = parseManifest(JSON.parse(await readFile(join(adapterDir, MANIFEST_FILE), "utf8")));
  expect(manifest.adapter).toEqual({ base: basename(base.dir) });
  const models = { policy: adapterDir, reward: base.dir };
  expect(await exportedModels(models, () => {})).toEqual({ policyDir: adapterDir, rewardDir: adapterDir });
  expect(await exportedModels({ ...models, dtype: "fp32" }, () => {})).toEqual({
    policyDir: adapterDir,
    rewardDir: base.dir,
  });
});
