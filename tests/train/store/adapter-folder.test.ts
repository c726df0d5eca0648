// Adapter folders: what is written, what loads them as a model, and what is told of one that does not fit its base.

import { cp, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exportOnnx } from "../../../src/train/onnx/export/export-onnx.ts";
import { mergeAdapter, saveAdapter } from "../../../src/train/store/adapter-folder.ts";
import { hashModel, hashWeights } from "../../../src/train/store/hash.ts";
import { createAdapter } from "../../../src/train/store/lora/adapter.ts";
import { loadModel, loadTokenizer, type Model } from "../../../src/train/store/model-folder.ts";
import { openModelTensors, openSafetensors } from "../../../src/train/store/safetensors.ts";
import { startTensorflow, type Tensor, tf } from "../../../src/train/tensorflow/tensorflow.ts";
import { writeTinyFolder } from "../recipes/pretrain/tiny-folder.ts";

const SETTINGS = { rank: 2, alpha: 4, targets: ["q", "wo"] };

let root = "";
let baseDir = "";
let base: Model;
beforeAll(async () => {
  await startTensorflow();
  root = await mkdtemp(join(tmpdir(), "adapter-"));
  baseDir = join(root, "base");
  await writeTinyFolder(baseDir);
  base = await loadModel(baseDir);
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** An adapter whose B is not zero. */
async function writeAdapter(name: string, baseName = baseDir): Promise<string> {
  const dir = join(root, name);
  const { parameters, settings } = createAdapter(base.config, { ...SETTINGS, seed: 5 });
  const moved = Object.fromEntries(Object.entries(parameters).map(([key, tensor]) => [key, tf.add(tensor, 0.01)]));
  await saveAdapter(dir, { base, baseName, baseHash: await hashWeights(baseDir), settings, parameters: moved });
  tf.dispose([parameters, moved]);
  return dir;
}

async function editConfig(dir: string, changes: Record<string, unknown>): Promise<void> {
  const path = join(dir, "adapter_config.json");
  await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, "utf8")), ...changes }));
}

const load = async (dir: string): Promise<void> => tf.dispose((await loadModel(dir)).parameters);

test("two adapters that differ in strength only are two models; the path of the base does not count", async () => {
  const first = await hashModel(await writeAdapter("strength"));
  const same = await writeAdapter("strength-same");
  const stronger = await writeAdapter("strength-other");
  await editConfig(same, { base_model_name_or_path: relative(same, baseDir), lora_dropout: 0.1 });
  await editConfig(stronger, { lora_alpha: 3 * SETTINGS.alpha });
  expect(await hashModel(same)).toBe(first);
  expect(await hashModel(stronger)).not.toBe(first);
});

describe("a saved adapter", () => {
  test("holds peft's two files and the side files of a model, and no weights of the base", async () => {
    const dir = await writeAdapter("written");
    expect((await readdir(dir)).sort()).toEqual([
      "adapter_config.json",
      "adapter_model.safetensors",
      "config.json",
      "generation_config.json",
      "tokenizer.json",
      "tokenizer_config.json",
    ]);
    expect(JSON.parse(await readFile(join(dir, "adapter_config.json"), "utf8"))).toMatchObject({
      peft_type: "LORA",
      task_type: "SEQ_2_SEQ_LM",
      base_model_name_or_path: baseDir,
      r: 2,
      lora_alpha: 4,
      target_modules: ["q", "wo"],
      bias: "none",
    });
    const reader = await openSafetensors(join(dir, "adapter_model.safetensors"));
    // 3 attentions with q, 2 feed-forwards with wo; d_model 32, 2 heads of 8, d_ff 48
    expect(reader.names).toHaveLength(2 * 5);
    const name = "base_model.model.encoder.block.0.layer.1.DenseReluDense.wo";
    expect(reader.info(`${name}.lora_A.weight`).shape).toEqual([2, 48]);
    expect(reader.info(`${name}.lora_B.weight`).shape).toEqual([32, 2]);
    await reader.close();
  });

  test("loads as a model: W + (alpha / r) B A, the other weights as they are", async () => {
    const dir = await writeAdapter("loaded");
    const model = await loadModel(dir);
    const q = "encoder.block.0.layer.0.SelfAttention.q";
    const adapter = await openSafetensors(join(dir, "adapter_model.safetensors"));
    const a = await adapter.readFloat32(`base_model.model.${q}.lora_A.weight`); // [2, 32]
    const b = await adapter.readFloat32(`base_model.model.${q}.lora_B.weight`); // [16, 2]
    await adapter.close();
    const changed = model.parameters[`${q}.weight`]?.dataSync() ?? [];
    const before = base.parameters[`${q}.weight`]?.dataSync() ?? [];
    for (const [i, o] of [
      [0, 0],
      [31, 15],
      [7, 3],
    ] as const) {
      const product = (a[i] ?? 0) * (b[2 * o] ?? 0) + (a[32 + i] ?? 0) * (b[2 * o + 1] ?? 0);
      expect(changed[16 * i + o]).toBeCloseTo((before[16 * i + o] ?? 0) + 2 * product, 6); // in memory [in, out]
    }
    const k = "encoder.block.0.layer.0.SelfAttention.k.weight";
    expect(model.parameters[k]?.dataSync()).toEqual(base.parameters[k]?.dataSync());
    expect((await loadTokenizer(dir, model.config)).encode("Tom has")).toEqual(
      (await loadTokenizer(baseDir, base.config)).encode("Tom has"),
    );
    tf.dispose(model.parameters);
  });

  test("merges into a folder that needs no base", async () => {
    const dir = await writeAdapter("to-merge");
    const merged = join(root, "merged");
    await mergeAdapter(dir, merged);
    const [one, two] = [await openModelTensors(dir), await openModelTensors(merged)];
    expect(two.names).toEqual(one.names);
    for (const name of one.names) expect(await two.readFloat32(name)).toEqual(await one.readFloat32(name));
    await one.close();
    await two.close();
    expect(await readdir(merged)).not.toContain("adapter_config.json");
    await expect(mergeAdapter(merged, join(root, "x"))).rejects.toThrow("the folder holds no adapter");
    await expect(mergeAdapter(dir, dir)).rejects.toThrow("the merged model would lie on its own adapter");
  });

  test("finds its base beside itself", async () => {
    const dir = await writeAdapter("beside");
    await editConfig(dir, { base_model_name_or_path: "../base" });
    await load(dir);
  });

  test("of peft, without config.json and tokenizer, takes them from its base", async () => {
    const dir = await writeAdapter("bare");
    for (const file of ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"])
      await rm(join(dir, file));
    const model = await loadModel(dir);
    await loadTokenizer(dir, model.config);
    tf.dispose(model.parameters);
    const manifest = await exportOnnx({ modelDir: dir, outputDir: join(root, "bare-export"), dtypes: ["fp32"] });
    expect(manifest.files.map(({ role }) => role)).toEqual(expect.arrayContaining(["config", "tokenizer", "decoder"]));
  });

  test("can stand on another adapter", async () => {
    const lower = await writeAdapter("lower");
    const dir = join(root, "upper");
    const model = await loadModel(lower);
    const { parameters, settings } = createAdapter(base.config, { ...SETTINGS, seed: 6 });
    await saveAdapter(dir, { base: model, baseName: lower, baseHash: await hashWeights(lower), settings, parameters });
    const stacked = await loadModel(dir); // B is zero
    const equal = Object.entries(model.parameters).map(([name, tensor]) =>
      tf.max(tf.abs(tf.sub(tensor, stacked.parameters[name] as Tensor))).dataSync(),
    );
    expect(Math.max(...equal.map(([difference]) => difference ?? Number.NaN))).toBe(0);
    tf.dispose([model.parameters, stacked.parameters, parameters]);
  });
});

describe("is refused before any work", () => {
  test("an adapter on weights that it was not made for", async () => {
    const dir = await writeAdapter("wrong-weights");
    const other = join(root, "other");
    await writeTinyFolder(other, { seed: 2 });
    await editConfig(dir, { base_model_name_or_path: other });
    await expect(load(dir)).rejects.toThrow(
      /the adapter was made for another base model: the weights in .*other have hash \w{12}…, not \w{12}….*base_model_name_or_path/,
    );
  });

  test("an adapter for a model of another width or depth", async () => {
    const dir = await writeAdapter("wrong-shape");
    const wide = join(root, "wide");
    await writeTinyFolder(wide, { config: { d_ff: 64 } });
    await editConfig(dir, { base_model_name_or_path: wide });
    await expect(load(dir)).rejects.toThrow(
      /another base model: its tensor ".*wo\.lora_A\.weight" is \[2, 48\], this model needs \[2, 64\]/,
    );
    const deep = await writeAdapter("deep");
    const model = join(root, "two-layers");
    await writeTinyFolder(model, { config: { num_layers: 2 } });
    await cp(join(deep, "adapter_model.safetensors"), join(dir, "adapter_model.safetensors"));
    await editConfig(deep, { base_model_name_or_path: model });
    await expect(load(deep)).rejects.toThrow(/the weights in .* have hash/);
  });

  test("an adapter whose base is nowhere, or not named", async () => {
    const dir = await writeAdapter("lost");
    await editConfig(dir, { base_model_name_or_path: "acme/never-fetched" });
    await expect(load(dir)).rejects.toThrow(
      /the adapter's base model "acme\/never-fetched" is not here: .*not in the cache/,
    );
    await editConfig(dir, { base_model_name_or_path: null });
    await expect(load(dir)).rejects.toThrow("the adapter does not say which model it was made for");
  });

  test.each([
    [{ peft_type: "IA3" }, 'peft_type "IA3" is not supported, only LORA'],
    [{ use_dora: true }, '"use_dora": true is not supported'],
    [{ bias: "all" }, '"bias": "all" is not supported'],
    [{ modules_to_save: ["lm_head"] }, '"modules_to_save": ["lm_head"] is not supported'],
    [{ alpha_pattern: { q: 2 } }, '"alpha_pattern": {"q":2} is not supported'],
    [{ r: 0 }, 'field "r"'],
    [{ lora_alpha: undefined }, 'field "lora_alpha"'],
  ])("an adapter with %o", async (changes, message) => {
    const dir = await writeAdapter("unsupported");
    await editConfig(dir, changes);
    await expect(load(dir)).rejects.toThrow(message);
  });

  test("an adapter without its weights, or with half of a pair", async () => {
    const dir = await writeAdapter("half");
    const path = join(dir, "adapter_model.safetensors");
    await rename(path, `${path}.gone`);
    await expect(load(dir)).rejects.toThrow(/cannot be opened .*adapter_model\.safetensors/);
  });
});
