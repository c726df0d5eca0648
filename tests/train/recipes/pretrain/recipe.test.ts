// Pretraining on a tiny model: it learns, and a resumed run ends where the straight one ends.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { vocabularyWords } from "../../../../src/train/data/arithmetic/wording.ts";
import { initModel } from "../../../../src/train/recipes/pretrain/init-model.ts";
import { nanoTokenizer } from "../../../../src/train/recipes/pretrain/nano-tokenizer.ts";
import { pretrain } from "../../../../src/train/recipes/pretrain/recipe.ts";
import { startTensorflow, tf } from "../../../../src/train/tensorflow/tensorflow.ts";

let dir = "";
beforeAll(async () => {
  await startTensorflow();
  dir = await mkdtemp(join(tmpdir(), "pretrain-"));
  const { size, ...tokenizer } = nanoTokenizer(vocabularyWords());
  const config = {
    model_type: "t5",
    vocab_size: size,
    d_model: 16,
    d_kv: 8,
    d_ff: 16,
    num_layers: 1,
    num_heads: 2,
    feed_forward_proj: "gated-gelu",
    tie_word_embeddings: false,
  };
  await initModel({ dir: join(dir, "initial"), config, ...tokenizer, seed: 3 });
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** The rate stays at its peak but for the last step, so that a run may be stopped short and resumed as a longer one. */
async function run(name: string, steps: number, resume = false): Promise<void> {
  await pretrain({
    modelDir: join(dir, "initial"),
    outputDir: join(dir, name),
    steps,
    batchSize: 2,
    judgeBatchSize: 2,
    checkBatchSize: 2,
    shortShare: 0.5,
    learningRate: 3e-3,
    warmupSteps: 1,
    decaySteps: 1,
    seed: 5,
    saveSteps: 25,
    resume,
  });
}

const log = async (name: string): Promise<Record<string, number>[]> =>
  (await readFile(join(dir, name, "pretrain_log.jsonl"), "utf8"))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

test("losses fall, every step is logged, and a resumed run equals the straight one", async () => {
  const before = tf.memory().numTensors;
  await run("straight", 50);
  const straight = await log("straight");
  expect(straight.map(({ step }) => step)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
  const mean = (lines: Record<string, number>[]): number =>
    lines.reduce((sum, line) => sum + (line.solve_loss ?? Number.NaN), 0) / lines.length;
  expect(mean(straight.slice(-10))).toBeLessThan(mean(straight.slice(0, 10)));
  await run("resumed", 25);
  await run("resumed", 50, true);
  expect(await log("resumed")).toEqual(straight);
  const weights = (name: string): Promise<Buffer> => readFile(join(dir, name, "model.safetensors"));
  expect((await weights("resumed")).equals(await weights("straight"))).toBe(true);
  expect(tf.memory().numTensors).toBe(before);
});
