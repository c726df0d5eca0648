// A fresh model: the files and shapes of Hugging Face's layout, scales of its initialisation, the same for the same seed.

import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { pretrainRate } from "../../../../src/train/recipes/pretrain/recipe.ts";
import { loadModel, loadTokenizer } from "../../../../src/train/store/model-folder.ts";
import { startTensorflow, tf } from "../../../../src/train/tensorflow/tensorflow.ts";
import { writeTinyFolder } from "./tiny-folder.ts";

let dir = "";
beforeAll(async () => {
  await startTensorflow();
  dir = await mkdtemp(join(tmpdir(), "init-"));
  await writeTinyFolder(join(dir, "a"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

test("a fresh folder loads as model and tokenizer", async () => {
  expect((await readdir(join(dir, "a"))).sort()).toEqual([
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
  ]);
  const model = await loadModel(join(dir, "a"));
  expect((await loadTokenizer(join(dir, "a"), model.config)).size).toBeLessThanOrEqual(model.config.vocabSize);
  expect(Object.keys(model.parameters)).toContain("lm_head.weight");
});

test("values have the standard deviation of T5's initialisation, and norms are 1", async () => {
  const { parameters } = await loadModel(join(dir, "a"));
  const deviation = (name: string): number =>
    tf
      .moments(parameters[name] ?? tf.scalar(0))
      .variance.sqrt()
      .dataSync()[0] ?? 0;
  const expected: [string, number][] = [
    ["shared.weight", 1],
    ["encoder.block.0.layer.0.SelfAttention.q.weight", (32 * 8) ** -0.5],
    ["encoder.block.0.layer.0.SelfAttention.k.weight", 32 ** -0.5],
    ["decoder.block.0.layer.1.EncDecAttention.o.weight", (2 * 8) ** -0.5],
    ["decoder.block.0.layer.2.DenseReluDense.wo.weight", 48 ** -0.5],
  ];
  for (const [name, value] of expected) expect(Math.abs(deviation(name) / value - 1)).toBeLessThan(0.12);
  expect([...(parameters["encoder.final_layer_norm.weight"]?.dataSync() ?? [])]).toEqual(new Array(32).fill(1));
});

test("the same seed gives the same bytes, another seed others", async () => {
  await writeTinyFolder(join(dir, "b"));
  await writeTinyFolder(join(dir, "c"), { seed: 2 });
  const [a, b, c] = await Promise.all(["a", "b", "c"].map((name) => readFile(join(dir, name, "model.safetensors"))));
  expect(a?.equals(b ?? Buffer.alloc(0))).toBe(true);
  expect(a?.equals(c ?? Buffer.alloc(0))).toBe(false);
});

test("the pretraining rate rises to its peak, stays, and falls to zero: 2 up, 4 down of 10 steps", () => {
  const options = { steps: 10, learningRate: 1, warmupSteps: 2, decaySteps: 4 };
  const rates = Array.from({ length: 10 }, (_, step) => pretrainRate(step, options));
  expect(rates).toEqual([0.5, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25]);
});
