import { createHash } from "node:crypto";
import { readdir, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { ArtifactError, ShapeError } from "../../../../src/shared/errors.ts";
import { MANIFEST_FILE, parseManifest } from "../../../../src/shared/manifest.ts";
import { TEMPLATE_VERSION } from "../../../../src/shared/prompts.ts";
import { exportOnnx } from "../../../../src/train/onnx/export/export-onnx.ts";
import { readSideFiles } from "../../../../src/train/onnx/export/side-files.ts";
import type { TensorToWrite } from "../../../../src/train/store/safetensors.ts";
import { changeWeights, makeModelFolder, removeFolders } from "./model-folder.ts";
import { wordTokenizerJson } from "./word-tokenizer.ts";

const folders: string[] = [];
async function model(golden = "t5-v1.1"): Promise<string> {
  const dir = await makeModelFolder(golden);
  folders.push(dir);
  return dir;
}
afterEach(() => removeFolders(folders.splice(0)));

const ALL_FILES = [
  "config.json",
  "generation_config.json",
  "onnx/decoder_model_merged.onnx",
  "onnx/decoder_model_merged_quantized.onnx",
  "onnx/encoder_model.onnx",
  "onnx/encoder_model_quantized.onnx",
  "onnx/lean_decoder.onnx",
  "onnx/lean_decoder_0.bin",
  "onnx/lean_embedding.bin",
  "onnx/lean_embedding_scales.bin",
  "onnx/lean_encoder.onnx",
  "onnx/lean_encoder_0.bin",
  "onnx/lean_head.onnx",
  "onnx/lean_head_0.bin",
  "tokenizer.json",
  "tokenizer_config.json",
];

async function filesUnder(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort();
}

test("the manifest names every file with its size and hash", async () => {
  const modelDir = await model();
  const outputDir = join(modelDir, "exported");
  const progress: number[] = [];
  await exportOnnx({ modelDir, outputDir, name: "tiny", onProgress: (done, total) => progress.push(done / total) });
  expect(await filesUnder(outputDir)).toEqual([...ALL_FILES, MANIFEST_FILE].sort());
  const manifest = parseManifest(JSON.parse(await readFile(join(outputDir, MANIFEST_FILE), "utf8")));
  expect(manifest).toMatchObject({ model: "tiny", template_version: TEMPLATE_VERSION });
  expect(manifest.limits).toEqual({ max_source_tokens: 512, max_target_tokens: 512 });
  expect(manifest.files.map((file) => file.path).sort()).toEqual(ALL_FILES);
  for (const file of manifest.files) {
    const content = await readFile(join(outputDir, file.path));
    expect(file.bytes).toBe(content.length);
    expect(file.sha256).toBe(createHash("sha256").update(content).digest("hex"));
  }
  expect(progress.at(-1)).toBe(1);
  expect(progress).toEqual([...progress].sort((a, b) => a - b));
});

test("an export into the model's own folder keeps its files and makes a generation config", async () => {
  const modelDir = await model();
  const before = await readFile(join(modelDir, "tokenizer.json"));
  await exportOnnx({ modelDir });
  expect(await readFile(join(modelDir, "tokenizer.json"))).toEqual(before);
  expect(JSON.parse(await readFile(join(modelDir, "generation_config.json"), "utf8"))).toEqual({
    decoder_start_token_id: 0,
    eos_token_id: 1,
    pad_token_id: 0,
  });
});

test("fields that T5 leaves to their defaults are written out in the exported config", async () => {
  const modelDir = await model();
  const { num_decoder_layers, model_type, ...rest } = JSON.parse(await readFile(join(modelDir, "config.json"), "utf8"));
  await writeFile(join(modelDir, "config.json"), JSON.stringify(rest));
  const outputDir = join(modelDir, "exported");
  await exportOnnx({ modelDir, outputDir, dtypes: ["fp32"] });
  const written = JSON.parse(await readFile(join(outputDir, "config.json"), "utf8"));
  expect(written).toEqual({ ...rest, num_decoder_layers, model_type });
});

test("a new export removes graphs of weight types it does not write", async () => {
  const modelDir = await model();
  await exportOnnx({ modelDir });
  await exportOnnx({ modelDir, dtypes: ["fp32"] });
  expect(await readdir(join(modelDir, "onnx"))).toEqual(["decoder_model_merged.onnx", "encoder_model.onnx"]);
});

test("embeddings repeated under other names are accepted, as older checkpoints have them", async () => {
  const modelDir = await model("t5-v1.0");
  await changeWeights(modelDir, (tensors) => {
    const shared = tensors.find((tensor) => tensor.name === "shared.weight");
    if (shared === undefined) throw new Error("no shared.weight");
    const names = ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"];
    return [...tensors, ...names.map((name) => ({ ...shared, name }))];
  });
  await exportOnnx({ modelDir, dtypes: ["fp32"] });
});

test("a checkpoint of the first T5, with a bias table that none reads and no shared.weight, exports the same graphs", async () => {
  const [plain, old] = [await model("t5-v1.0"), await model("t5-v1.0")];
  const bias = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight";
  await changeWeights(old, (tensors) => [
    ...tensors.map((tensor) =>
      tensor.name === "shared.weight" ? { ...tensor, name: "decoder.embed_tokens.weight" } : tensor,
    ),
    { name: bias, shape: [32, 4], data: new Float32Array(128) },
  ]);
  const lines: string[] = [];
  const log = (line: string): number => lines.push(line);
  const ofOld = await exportOnnx({ modelDir: old, name: "m", log });
  expect(lines).toEqual([`${old}: ignored ${bias} (no T5 reads it)`]);
  expect(ofOld.files).toEqual((await exportOnnx({ modelDir: plain, name: "m" })).files);
});

test("mT5, which is T5 v1.1 to the letter, exports the same graphs, and its config keeps its name", async () => {
  const [plain, multilingual] = [await model("t5-v1.1"), await model("t5-v1.1")];
  const path = join(multilingual, "config.json");
  await writeFile(path, (await readFile(path, "utf8")).replace('"model_type": "t5"', '"model_type": "mt5"'));
  const graphs = async (modelDir: string): Promise<unknown> =>
    (await exportOnnx({ modelDir, name: "m" })).files.filter((file) => file.role !== "config");
  expect(await graphs(multilingual)).toEqual(await graphs(plain));
  expect(JSON.parse(await readFile(path, "utf8"))).toMatchObject({ model_type: "mt5" });
});

const q = "decoder.block.1.layer.0.SelfAttention.q.weight";
const without = (name: string) => (tensors: TensorToWrite[]) => tensors.filter((tensor) => tensor.name !== name);
const extra = (tensors: TensorToWrite[]) => [...tensors, { name: "lora.A", shape: [1], data: new Float32Array(1) }];
const reshaped = (tensors: TensorToWrite[]) =>
  tensors.map((tensor) => (tensor.name === q ? { ...tensor, shape: [...tensor.shape].reverse() } : tensor));
const withNaN = (tensors: TensorToWrite[]) =>
  tensors.map((tensor) => {
    if (tensor.name !== q || typeof tensor.data === "function") return tensor;
    const data = tensor.data.slice();
    data[5] = NaN;
    return { ...tensor, data };
  });

test.each([
  ["a missing tensor", (dir: string) => changeWeights(dir, without(q)), ArtifactError, `1 tensors are missing: ${q}`],
  [
    "an unexpected tensor",
    (dir: string) => changeWeights(dir, extra),
    ArtifactError,
    "do not belong to this T5: lora.A",
  ],
  [
    "a tensor of another shape",
    (dir: string) => changeWeights(dir, reshaped),
    ShapeError,
    "shape [32, 24] instead of [24, 32]",
  ],
  [
    "a weight that is NaN",
    (dir: string) => changeWeights(dir, withNaN),
    ArtifactError,
    `value 5 is NaN (tensor "${q}")`,
  ],
  ["truncated weights", (dir: string) => truncate(join(dir, "model.safetensors"), 90_000), ArtifactError, "truncated"],
  ["no weights", (dir: string) => rm(join(dir, "model.safetensors")), ArtifactError, "the weights cannot be opened"],
  ["no tokenizer", (dir: string) => rm(join(dir, "tokenizer.json")), ArtifactError, "tokenizer.json"],
  [
    "no tokenizer config, and a tokenizer that puts no end token after a text",
    async (dir: string) => {
      await rm(join(dir, "tokenizer_config.json"));
      const path = join(dir, "tokenizer.json");
      await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, "utf8")), post_processor: null }));
    },
    ArtifactError,
    "tokenizer_config.json",
  ],
  ["no config", (dir: string) => rm(join(dir, "config.json")), ArtifactError, "config.json"],
  ["a config that is not JSON", (dir: string) => writeFile(join(dir, "config.json"), "{"), ArtifactError, "not JSON"],
  [
    "a model of another kind",
    (dir: string) => writeFile(join(dir, "config.json"), '{"model_type": "bart"}'),
    ArtifactError,
    'model_type "bart" is not supported',
  ],
])("%s is refused and nothing is left in the output folder", async (_, damage, kind, message) => {
  const modelDir = await model();
  await damage(modelDir);
  const outputDir = join(modelDir, "exported");
  const failure = await exportOnnx({ modelDir, outputDir }).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(kind);
  expect(String(failure)).toContain(message);
  expect(await filesUnder(outputDir)).toEqual([]);
});

test("a tokenizer with more tokens than the model has rows is refused", async () => {
  const modelDir = await model("t5-v1.0"); // 80 rows
  const larger = await model("t5-v1.1"); // 96 tokens
  await writeFile(join(modelDir, "tokenizer.json"), await readFile(join(larger, "tokenizer.json")));
  await expect(exportOnnx({ modelDir })).rejects.toThrow(/ids up to 95, the model 80 embedding rows/);
});

test("a tokenizer without a newline gets one, in the first free row", async () => {
  const modelDir = await model("t5-v1.0"); // 80 rows
  await writeFile(join(modelDir, "tokenizer.json"), JSON.stringify(wordTokenizerJson(76, false)));
  const outputDir = join(modelDir, "exported");
  await exportOnnx({ modelDir, outputDir, dtypes: ["fp32"] });
  const { added_tokens } = JSON.parse(await readFile(join(outputDir, "tokenizer.json"), "utf8"));
  expect(added_tokens.at(-1)).toMatchObject({ id: 76, content: "\n", special: false });
  const { tokenizer } = await readSideFiles(outputDir);
  expect(tokenizer.encode("w7\nw8")).toContain(76);
  expect(tokenizer.decode(tokenizer.encode("w7\nw8"))).toBe("w7\nw8");
});

test("a model without a row for the newline is refused", async () => {
  const modelDir = await model("t5-v1.0");
  await writeFile(join(modelDir, "tokenizer.json"), JSON.stringify(wordTokenizerJson(80, false)));
  await expect(exportOnnx({ modelDir })).rejects.toThrow(
    /no embedding row is free for a newline token .*tokenizer\.json\)\. Use a checkpoint whose vocab_size is above/,
  );
});

test("an export into a folder of links replaces the link, not the file it names", async () => {
  const modelDir = await model("t5-v1.0");
  const stock = JSON.stringify(wordTokenizerJson(76, false));
  await writeFile(join(modelDir, "blob"), stock);
  await rm(join(modelDir, "tokenizer.json"));
  await symlink("blob", join(modelDir, "tokenizer.json"));
  await exportOnnx({ modelDir, dtypes: ["fp32"] });
  expect(await readFile(join(modelDir, "blob"), "utf8")).toBe(stock);
  expect(await readFile(join(modelDir, "tokenizer.json"), "utf8")).not.toBe(stock);
});

test("an export that fails leaves the earlier export whole", async () => {
  const modelDir = await model();
  const manifest = await exportOnnx({ modelDir });
  await changeWeights(modelDir, withNaN);
  await expect(exportOnnx({ modelDir })).rejects.toThrow(/NaN/);
  expect(parseManifest(JSON.parse(await readFile(join(modelDir, MANIFEST_FILE), "utf8")))).toEqual(manifest);
  for (const file of manifest.files) expect((await readFile(join(modelDir, file.path))).length).toBe(file.bytes);
  expect((await readdir(join(modelDir, "onnx"))).length).toBe(12);
});
