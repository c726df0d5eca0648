// The training recipe under other losses of the family: the reference, no reward model where none is needed, step-level pairs.

import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TrainSettings } from "../../../../src/train/recipes/dpo/config.ts";
import { trainStepwiseDpo } from "../../../../src/train/recipes/dpo/recipe.ts";
import { tf } from "../../../../src/train/tensorflow/tensorflow.ts";
import { writeTinyFolder } from "../pretrain/tiny-folder.ts";
import { createTinyRun, readMetrics, stopAfter, type TinyRun } from "./tiny-run.ts";

let run: TinyRun;
beforeAll(async () => {
  run = await createTinyRun(await mkdtemp(join(tmpdir(), "losses-")));
});
afterAll(() => rm(run.dir, { recursive: true, force: true }));

const weights = async (dir: string): Promise<Buffer> => readFile(join(dir, "model.safetensors"));

test.each<TrainSettings>([
  { lossType: "sigmoid" },
  { lossType: "sigmoid", marginRole: "offset", rpoAlpha: 0.5 },
  { lossType: "hinge", marginRole: "weight", marginMode: "clamp" },
  { lossType: "ipo" },
  { lossType: "robust", labelSmoothing: 0.1 },
  { lossType: "simpo" },
  { lossType: "sft" },
  { lossType: "full_step" },
  { lossType: "first_error" },
  { lossType: "grpo" },
])("falls on the pairs that it trains on: %j", async (settings) => {
  // data of their own: scores and log-probs by token are kept beside them
  const own = await createTinyRun(join(run.dir, `of-${Object.values(settings).join("-")}`));
  const config = own.config("out", { ...settings, numTrainEpochs: 4, saveSteps: 1000 });
  await trainStepwiseDpo(config, { exportOnnx: false });
  const losses = (await readMetrics(config.outputDir)).flatMap((line) => line.loss ?? []);
  const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  expect(losses.every(Number.isFinite)).toBe(true);
  expect(mean(losses.slice(-3))).toBeLessThan(mean(losses.slice(0, 3)));
});

describe("DPO with its frozen reference", () => {
  test("starts at ln 2 with rewards 0, and parts the rewards as it trains", async () => {
    const config = run.config("dpo", { lossType: "sigmoid", numTrainEpochs: 4, saveSteps: 1000 });
    const result = await trainStepwiseDpo(config, { exportOnnx: false });
    expect(result.before.eval_loss).toBeCloseTo(Math.LN2, 4);
    expect(result.before["eval_rewards/margins"]).toBeCloseTo(0, 4);
    const steps = (await readMetrics(config.outputDir)).filter((line) => "loss" in line);
    expect(steps[0]?.["rewards/margins"]).toBeCloseTo(0, 4);
    expect(steps.at(-1)?.["rewards/margins"]).toBeGreaterThan(0.01);
    expect(steps.at(-1)).toHaveProperty(["rewards/accuracies"]);
  });

  test("resumed gives the straight run's curve and weights, its reference read from disk", async () => {
    const straight = run.config("straight", { lossType: "sigmoid" });
    await trainStepwiseDpo(straight, { exportOnnx: false });
    const config = run.config("resumed", { lossType: "sigmoid" });
    const stopped = trainStepwiseDpo(config, { exportOnnx: false, signal: stopAfter(config.outputDir, 2) });
    await expect(stopped).rejects.toThrow("stopped after step 2");
    await trainStepwiseDpo(config, { exportOnnx: false, resume: true });
    expect(await readMetrics(config.outputDir)).toEqual(await readMetrics(straight.outputDir));
    expect((await weights(config.outputDir)).equals(await weights(straight.outputDir))).toBe(true);
    expect(await readdir(join(run.dir, "data", ".ref-logps"))).toHaveLength(1);
  });

  test("is not resumed on another base model", async () => {
    const other = await createTinyRun(join(run.dir, "other"));
    const config = other.config("out", { lossType: "sigmoid" });
    const stopped = trainStepwiseDpo(config, { exportOnnx: false, signal: stopAfter(config.outputDir, 1) });
    await expect(stopped).rejects.toThrow("stopped after step 1");
    await writeTinyFolder(join(other.dir, "model"), { seed: 5 });
    await expect(trainStepwiseDpo(config, { resume: true })).rejects.toThrow(
      "the base model, which is the loss's reference, changed",
    );
  });

  test("returns every tensor", async () => {
    const before = tf.memory().numTensors;
    await trainStepwiseDpo(run.config("memory", { lossType: "sigmoid", maxSteps: 2 }), { exportOnnx: false });
    expect(tf.memory().numTensors).toBe(before);
  });
});

test("a loss of single steps asks for their scores where pairs bring aggregates alone, and is resumed on the same curve", async () => {
  const settings: TrainSettings = { lossType: "first_error" };
  const own = await createTinyRun(join(run.dir, "first-error"));
  const straight = own.config("straight", settings);
  const { data } = await trainStepwiseDpo(straight, { exportOnnx: false });
  expect(data.judged).toBe(6);
  // two tokens a line at least, all of them with a credit of 0 or 1
  for (const { credit, rejectedIds } of data.train) {
    expect(credit?.rejected).toHaveLength(rejectedIds.length);
    expect(new Set(credit?.rejected)).toEqual(new Set([0, 1]));
  }
  const config = own.config("resumed", settings);
  const stopped = trainStepwiseDpo(config, { exportOnnx: false, signal: stopAfter(config.outputDir, 2) });
  await expect(stopped).rejects.toThrow("stopped after step 2");
  await trainStepwiseDpo(config, { exportOnnx: false, resume: true });
  expect((await weights(config.outputDir)).equals(await weights(straight.outputDir))).toBe(true);
});

test("a loss that needs no scores asks no reward model, and says so", async () => {
  const bare = await createTinyRun(join(run.dir, "bare"));
  for (const name of ["train.jsonl", "eval.jsonl"]) {
    const path = join(bare.dir, "data", name);
    await writeFile(path, (await readFile(path, "utf8")).replace(/,"chosen_score":[^}]*/g, ""));
  }
  const config = bare.config("out", { lossType: "sft", maxSteps: 2, rewardModel: join(bare.dir, "nowhere") });
  const lines: string[] = [];
  const result = await trainStepwiseDpo(config, { exportOnnx: false, log: (line) => lines.push(line) });
  expect(lines.join("\n")).toContain("loss: sft; it needs no scores, so no reward model is asked");
  expect(result.data).toMatchObject({ margins: undefined, judged: 0 });
  expect(existsSync(join(bare.dir, "data", ".step-scores"))).toBe(false);
  const metrics = await readMetrics(config.outputDir);
  expect(Object.keys(metrics[0] ?? {}).filter((name) => name.startsWith("scores"))).toEqual([]);
  const card = await readFile(join(config.outputDir, "README.md"), "utf8");
  expect(card).toContain("Trained on preference pairs with the loss `sft`, without a reference model.");
  expect(card).not.toContain("Reward model");
});

test("step-level pairs are judged in the context of their prefix, and train", async () => {
  const steps = await createTinyRun(join(run.dir, "steps"));
  const rows = [
    { prompt: "Tom has 3 apples", prefix: "3 + 4 = 7", chosen: "7 - 2 = 5", rejected: "7 - 2 = 4" },
    { prompt: "Tom has 3 apples", prefix: "3 + 4 = 7", chosen: "7 - 2 = 5", rejected: "7 + 2 = 9\n9 = 9" },
  ];
  await writeFile(join(steps.dir, "data", "train.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const config = steps.config("out", { maxSteps: 2 });
  const result = await trainStepwiseDpo(config, { exportOnnx: false });
  expect(result.data.judged).toBe(2);
  const [cache = ""] = await readdir(join(steps.dir, "data", ".step-scores"));
  const lines = (await readFile(join(steps.dir, "data", ".step-scores", cache), "utf8")).trimEnd().split("\n");
  const counts = lines.map((line): number => JSON.parse(line).step_scores.length);
  expect(Math.max(...counts)).toBe(3); // the prefix's step and two of the continuation
  const [first] = result.data.train;
  const cached = lines.map((line): number[] => JSON.parse(line).step_scores).find((scores) => scores.length === 2);
  expect([first?.chosenScore, first?.rejectedScore]).toContain(cached?.[1]);
});
