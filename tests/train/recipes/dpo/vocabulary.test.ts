// A run on data that the vocabulary cannot write: what is told, what is refused, and what --add-tokens makes of the model.

import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { preparePairs } from "../../../../src/train/data/pairs/tokenize-pairs.ts";
import { trainStepwiseDpo } from "../../../../src/train/recipes/dpo/recipe.ts";
import { loadConfig } from "../../../../src/train/store/model-config.ts";
import { loadModel, loadTokenizer } from "../../../../src/train/store/model-folder.ts";
import { startTensorflow, tf } from "../../../../src/train/tensorflow/tensorflow.ts";
import { createTinyRun, readMetrics, type TinyRun } from "./tiny-run.ts";

let tiny: TinyRun;
let data = "";
beforeAll(async () => {
  await startTensorflow();
  const dir = await mkdtemp(join(tmpdir(), "vocabulary-"));
  tiny = await createTinyRun(dir);
  data = join(dir, "pairs.jsonl");
  const rows = Array.from({ length: 6 }, (_, i) => ({
    prompt: `Is ${i} ≤ ${i + 1} ?`,
    chosen: `${i} ≤ ${i + 1}`,
    rejected: `${i} ≥ ${i + 1} × 1`,
    chosen_score: 0.9,
    rejected_score: 0.1,
  }));
  const alike = { prompt: "p", chosen: "3 ≤ 4", rejected: "3 ≥ 4", chosen_score: 1, rejected_score: 0 };
  await writeFile(data, [...rows, alike].map((row) => `${JSON.stringify(row)}\n`).join(""));
});
afterAll(() => rm(tiny.dir, { recursive: true, force: true }));

test("unknown tokens are told with their characters; a pair that differs only in them is left out", async () => {
  const lines: string[] = [];
  const run = { exportOnnx: false, log: (line: string) => lines.push(line) };
  const { data: loaded } = await trainStepwiseDpo(tiny.config("told", { data, maxSteps: 1 }), run);
  // 6 prompts and 6 chosen sides with one, 6 rejected with two, 2 of the last pair
  expect(lines.join("\n")).toMatch(
    /unknown tokens: 26 of \d+ \(\d+\.\d\d %\), for ≤ 13, ≥ 7, × 6\nwarning: the vocabulary/,
  );
  expect(loaded.dropped).toEqual({ identical_tokens: 1 });
});

test("--strict-vocabulary refuses such data before anything is trained", async () => {
  const config = tiny.config("strict", { data, strictVocabulary: true });
  await expect(trainStepwiseDpo(config)).rejects.toThrow(
    /^26 of \d+ tokens are unknown, for ≤ ≥ × and others .* --add-tokens auto, or leave out --strict-vocabulary/,
  );
});

test("--add-tokens auto: the model gets rows near their neighbours, trains them, and a resumed run goes on with the same", async () => {
  const settings = { data, addTokens: "auto", strictVocabulary: true, maxSteps: 4 };
  const lines: string[] = [];
  const run = { exportOnnx: false, log: (line: string) => lines.push(line) };
  const straight = tiny.config("straight", settings);
  const { data: loaded } = await trainStepwiseDpo(straight, run);
  expect(loaded.dropped).toEqual({});
  expect(lines).toContain("unknown tokens: none");
  const [base, tuned] = [
    await loadModel(join(straight.outputDir, "base_with_tokens")),
    await loadModel(straight.outputDir),
  ];
  const tokenizer = await loadTokenizer(straight.outputDir, tuned.config);
  const text = "3 ≤ 4 × 1\n≥";
  expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  const id = tokenizer.encode("≤").at(-2) ?? 0;
  const stock = await loadTokenizer(join(tiny.dir, "model"), await loadConfig(join(tiny.dir, "model")));
  expect(id).toBe(stock.size);
  const row = (model: typeof base): Float32Array =>
    (model.parameters["shared.weight"]?.dataSync<"float32">() ?? new Float32Array()).slice(32 * id, 32 * (id + 1));
  // in the data "≤" stands between "▁" and "▁" and a digit, so that its row is a mean of such rows: shorter than each of them
  const table = base.parameters["shared.weight"]?.dataSync<"float32">() ?? new Float32Array();
  expect(Math.hypot(...row(base))).toBeGreaterThan(0);
  expect(Math.hypot(...row(base))).toBeLessThan(Math.hypot(...table.slice(32 * 5, 32 * 6)));
  expect(row(tuned)).not.toEqual(row(base));
  tf.dispose([base.parameters, tuned.parameters]);

  const stopped = tiny.config("stopped", settings);
  await trainStepwiseDpo({ ...stopped, saveSteps: 2 }, { exportOnnx: false });
  await rm(join(stopped.outputDir, "trainer_state.json"));
  await trainStepwiseDpo(stopped, { exportOnnx: false, resume: true });
  expect((await readMetrics(stopped.outputDir)).map(({ loss }) => loss)).toEqual(
    (await readMetrics(straight.outputDir)).map(({ loss }) => loss),
  );
});

test("more characters than there are rows: the embedding grows, and config.json says so", async () => {
  const addTokens = Array.from({ length: 60 }, (_, i) => String.fromCodePoint(0x2200 + i)).join("");
  const config = tiny.config("grown", { data, addTokens, maxSteps: 1 });
  await trainStepwiseDpo(config, { exportOnnx: false });
  const { vocab_size } = JSON.parse(await readFile(join(config.outputDir, "config.json"), "utf8"));
  const before = await loadConfig(join(tiny.dir, "model"));
  const { size } = await loadTokenizer(config.outputDir, await loadConfig(config.outputDir));
  expect(vocab_size).toBe(Math.ceil(size / 8) * 8);
  expect(vocab_size).toBeGreaterThan(before.vocabSize);
});

test("an adapter, which trains no rows of tokens, is refused beside them, and stands on a model that was trained with them", async () => {
  expect(() => tiny.config("both", { data, addTokens: "auto", adapter: "lora" })).toThrow(
    expect.objectContaining({
      code: "adapter_tokens",
      fix: expect.stringContaining("--add-tokens auto --loss-type sft"),
    }),
  );
  const tokens = tiny.config("tokens", { data, addTokens: "auto", lossType: "sft", maxSteps: 2 });
  await trainStepwiseDpo(tokens, { exportOnnx: false });
  const config = tiny.config("adapter", { data, model: tokens.outputDir, adapter: "lora", maxSteps: 1 });
  await trainStepwiseDpo(config, { exportOnnx: false });
  const { base_model_name_or_path } = JSON.parse(await readFile(join(config.outputDir, "adapter_config.json"), "utf8"));
  expect(base_model_name_or_path).toBe(tokens.outputDir);
  const model = await loadModel(config.outputDir);
  expect((await loadTokenizer(config.outputDir, model.config)).encode("≤")).not.toContain(2);
  tf.dispose(model.parameters);
});

test("a run that is refused leaves a finished adapter what it stands on, and nothing else", async () => {
  // an adapter on tokens that it did not train, as runs made them before this was refused
  const config = { ...tiny.config("kept", { data, addTokens: "auto", maxSteps: 1 }), adapter: "lora" as const };
  await trainStepwiseDpo(config, { exportOnnx: false });
  const filesNow = async () => (await readdir(config.outputDir, { recursive: true })).sort();
  const files = await filesNow();
  const other = { ...config, addTokens: "∀∃", maxPromptLength: 1 };
  await expect(trainStepwiseDpo(other)).rejects.toThrow(/no pair is left to train on/);
  expect(await filesNow()).toEqual(files);
  // its base is still the one that it was made for
  tf.dispose((await loadModel(config.outputDir)).parameters);
});

test("a run that goes on does not make its copy of the model again", async () => {
  const config = tiny.config("goes-on", { data, addTokens: "auto", maxSteps: 3, saveSteps: 2 });
  await trainStepwiseDpo(config, { exportOnnx: false });
  await rm(join(config.outputDir, "trainer_state.json"));
  const weights = join(config.outputDir, "base_with_tokens", "model.safetensors");
  const { ino } = await stat(weights);
  await trainStepwiseDpo(config, { exportOnnx: false, resume: true });
  expect((await stat(weights)).ino).toBe(ino);
});

test("sides of the same tokens may be equal where the loss does not compare them", async () => {
  const folder = join(tiny.dir, "model");
  const tokenizer = await loadTokenizer(folder, await loadConfig(folder));
  const pairs = [{ prompt: "p", chosen: "3 ≤ 4", rejected: "3 ≥ 4" }];
  const limits = { maxPromptLength: 99, maxCompletionLength: 99 };
  expect(preparePairs(pairs, tokenizer, limits).dropped).toEqual({ identical_tokens: 1 });
  expect(preparePairs(pairs, tokenizer, { ...limits, sidesMayBeEqual: true }).pairs).toHaveLength(1);
});

test("a side that was cut learns no end token, the other one does", async () => {
  const folder = join(tiny.dir, "model");
  const tokenizer = await loadTokenizer(folder, await loadConfig(folder));
  const limits = { maxPromptLength: 99, maxCompletionLength: 99 };
  const text = { prompt: "p", chosen: "Tom has", rejected: "Tom buys" };
  const [whole] = preparePairs([text], tokenizer, limits).pairs;
  const [cut] = preparePairs([{ ...text, rejected_cut: true }], tokenizer, limits).pairs;
  expect(whole?.rejectedIds.at(-1)).toBe(1); // </s>
  expect(cut?.rejectedIds).toEqual(whole?.rejectedIds.slice(0, -1));
  expect(cut?.chosenIds).toEqual(whole?.chosenIds);
});
