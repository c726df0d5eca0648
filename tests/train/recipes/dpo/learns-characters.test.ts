// A small T5 whose vocabulary lacks "<", as T5's own does: with tokens added it learns to write <<3+4=7>> to the letter; without, it cannot,
// however well it has learnt.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { resolveTrainConfig, type TrainSettings } from "../../../../src/train/recipes/dpo/config.ts";
import { trainStepwiseDpo } from "../../../../src/train/recipes/dpo/recipe.ts";
import { startTensorflow } from "../../../../src/train/tensorflow/tensorflow.ts";
import { writeTinyFolder } from "../pretrain/tiny-folder.ts";

const ANSWER = "<<3+4=7>>7";
let dir = "";
beforeAll(async () => {
  await startTensorflow();
  dir = await mkdtemp(join(tmpdir(), "characters-"));
  await writeTinyFolder(join(dir, "model"));
  const path = join(dir, "model", "tokenizer.json");
  const json = JSON.parse(await readFile(path, "utf8"));
  json.model.vocab = json.model.vocab.map(([piece, score]: [string, number]) => [piece === "<" ? "¤" : piece, score]);
  await writeFile(path, JSON.stringify(json));
  const pair = { prompt: "Tom has 3 + 4 apples", chosen: ANSWER, rejected: "no" };
  await writeFile(join(dir, "pairs.jsonl"), `${JSON.stringify(pair)}\n`);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function learn(name: string, settings: TrainSettings): Promise<{ loss: number; completion: string | undefined }> {
  const config = resolveTrainConfig(undefined, {
    model: join(dir, "model"),
    data: join(dir, "pairs.jsonl"),
    outputDir: join(dir, name),
    lossType: "sft",
    maxSteps: 60,
    learningRate: 2e-2,
    samplePrompts: 1,
    loggingSteps: 1,
    saveSteps: 1000,
    ...settings,
  });
  const { samples } = await trainStepwiseDpo(config, { exportOnnx: false });
  const log = (await readFile(join(config.outputDir, "metrics.jsonl"), "utf8")).trimEnd().split("\n");
  return { loss: JSON.parse(log.at(-1) ?? "{}").loss, completion: samples.after[0]?.completion };
}

test("with tokens of its own for <, the model learns to write it; without, it learns as well and cannot", async () => {
  const added = await learn("added", { addTokens: "auto" });
  expect(added.completion).toBe(ANSWER);
  const stock = await learn("stock", {});
  expect(stock.loss).toBeLessThan(0.1);
  expect(stock.completion).toBe(ANSWER.replace("<<", ""));
});
