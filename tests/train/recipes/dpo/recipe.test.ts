// The whole training recipe on a tiny random model: what it writes, that it resumes on the same curve, and how it stops.

import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TrainConfig } from "../../../../src/train/recipes/dpo/config.ts";
import { trainStepwiseDpo } from "../../../../src/train/recipes/dpo/recipe.ts";
import { loadCheckpointState } from "../../../../src/train/recipes/run/checkpoint.ts";
import { loadModel } from "../../../../src/train/store/model-folder.ts";
import { openModelTensors, writeSafetensors } from "../../../../src/train/store/safetensors.ts";
import { tf } from "../../../../src/train/tensorflow/tensorflow.ts";
import { createTinyRun, readMetrics, stopAfter, type TinyRun } from "./tiny-run.ts";

let run: TinyRun;
let straight: TrainConfig;
beforeAll(async () => {
  run = await createTinyRun(await mkdtemp(join(tmpdir(), "dpo-")));
  straight = run.config("straight");
  await trainStepwiseDpo(straight, { exportOnnx: false });
});
afterAll(() => rm(run.dir, { recursive: true, force: true }));

const weights = async (dir: string): Promise<Buffer> => readFile(join(dir, "model.safetensors"));

async function expectSameAsStraight(config: TrainConfig): Promise<void> {
  expect(await readMetrics(config.outputDir)).toEqual(await readMetrics(straight.outputDir));
  expect((await weights(config.outputDir)).equals(await weights(straight.outputDir))).toBe(true);
}

describe("a run from start to end", () => {
  test("logs every step under the field's names, and its evaluation", async () => {
    const lines = await readMetrics(straight.outputDir);
    const steps = lines.filter((line) => "loss" in line);
    expect(steps.map((line) => line.step)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(steps.map((line) => line.epoch)).toEqual([1, 2, 3, 4, 5, 6].map((step) => step / 3));
    const names = [
      "logps/chosen",
      "logps/rejected",
      "scores/chosen",
      "scores/margins",
      "grad_norm",
      "learning_rate",
      "num_tokens",
    ];
    for (const name of names) expect(steps.every((line) => Number.isFinite(line[name]))).toBe(true);
    expect(lines.at(-1)).toMatchObject({ step: 6, "eval_scores/margins": expect.closeTo(0.8, 9) });
  });

  test("decays the learning rate linearly from its peak: 6/6, 5/6, ... 1/6", async () => {
    const rates = (await readMetrics(straight.outputDir)).flatMap((line) => line.learning_rate ?? []);
    rates.forEach((rate, i) => {
      expect(rate).toBeCloseTo((1e-3 * (6 - i)) / 6, 12);
    });
    expect(rates).toHaveLength(6);
  });

  test("moves the weights down the loss on the pairs that it trains on", async () => {
    const config = run.config("long", { numTrainEpochs: 10, saveSteps: 1000 });
    await trainStepwiseDpo(config, { exportOnnx: false });
    const losses = (await readMetrics(config.outputDir)).flatMap((line) => line.loss ?? []);
    const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean(losses.slice(-3))).toBeLessThan(mean(losses.slice(0, 3)));
  });

  test("writes a model that loads, its settings, state, results, card and event file", async () => {
    const files = await readdir(straight.outputDir);
    for (const file of [
      "config.json",
      "tokenizer.json",
      "model.safetensors",
      "train_config.json",
      "trainer_state.json",
      "all_results.json",
      "README.md",
      "runs",
    ])
      expect(files).toContain(file);
    expect(files.filter((file) => file.includes("tmp"))).toEqual([]);
    const state = JSON.parse(await readFile(join(straight.outputDir, "trainer_state.json"), "utf8"));
    expect(state).toMatchObject({ global_step: 6, max_steps: 6, epoch: 2 });
    tf.dispose((await loadModel(straight.outputDir)).parameters);
  });

  test("reports the mean loss of all steps, and the time of the steps alone", async () => {
    const losses = (await readMetrics(straight.outputDir)).flatMap((line) => line.loss ?? []);
    const results = JSON.parse(await readFile(join(straight.outputDir, "train_results.json"), "utf8"));
    expect(results.train_loss).toBeCloseTo(losses.reduce((sum, loss) => sum + loss, 0) / 6, 12);
    expect(results.train_steps_per_second * results.train_runtime).toBeCloseTo(6, 9);
    const card = await readFile(join(straight.outputDir, "README.md"), "utf8");
    expect(card).toContain("Reward model: model, for 0 of the training pairs; 6 brought their own scores.");
    expect(card).toMatch(/\| metric \| value \|\n\|---\|---\|\n\| eval_loss, before \| \d/);
  });

  test("without evaluation pairs writes no evaluation anywhere, not even an earlier run's", async () => {
    const other = await createTinyRun(join(run.dir, "no-eval"));
    const config = other.config("out", { maxSteps: 2 });
    await trainStepwiseDpo(config, { exportOnnx: false });
    expect(await readdir(config.outputDir)).toContain("eval_results.json");
    await rm(join(config.data, "eval.jsonl"));
    const alone = { ...config, data: join(config.data, "train.jsonl") };
    await trainStepwiseDpo(alone, { exportOnnx: false });
    expect((await readMetrics(config.outputDir)).map((line) => line.step)).toEqual([1, 2]);
    expect(await readdir(config.outputDir)).not.toContain("eval_results.json");
    expect(await readFile(join(config.outputDir, "all_results.json"), "utf8")).not.toContain("eval_");
    expect(await readFile(join(config.outputDir, "README.md"), "utf8")).not.toContain("| metric |");
  });

  test("gives the same curve and weights when it is run again", async () => {
    const config = run.config("again");
    await trainStepwiseDpo(config, { exportOnnx: false });
    await expectSameAsStraight(config);
  });

  test("gives another curve with another seed", async () => {
    const config = run.config("seed", { seed: 7 });
    await trainStepwiseDpo(config, { exportOnnx: false });
    expect((await weights(config.outputDir)).equals(await weights(straight.outputDir))).toBe(false);
  });

  test("returns every tensor", async () => {
    const before = tf.memory().numTensors;
    await trainStepwiseDpo(run.config("memory", { maxSteps: 2 }), { exportOnnx: false });
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe("checkpoints", () => {
  test("are written every 2 steps, none after the last, and only the newest are kept", async () => {
    const checkpoints = async (dir: string): Promise<string[]> =>
      (await readdir(dir)).filter((name) => name.startsWith("checkpoint")).sort();
    expect(await checkpoints(straight.outputDir)).toEqual(["checkpoint-2", "checkpoint-4"]);
    const config = run.config("limit", { saveTotalLimit: 1, maxSteps: 5 });
    await trainStepwiseDpo(config, { exportOnnx: false });
    expect(await checkpoints(config.outputDir)).toEqual(["checkpoint-4"]);
  });

  test("resumed from steps 1 and 2, after two interruptions, the run equals the straight one exactly", async () => {
    const config = run.config("interrupted");
    const stop = (lines: number): AbortSignal => stopAfter(config.outputDir, lines);
    await expect(trainStepwiseDpo(config, { exportOnnx: false, signal: stop(1) })).rejects.toMatchObject({
      code: "interrupted",
      message: expect.stringMatching(/stopped after step 1 \(.*checkpoint-1\)\. Run the same command with --resume/),
    });
    expect((await readMetrics(config.outputDir)).map((line) => line.step)).toEqual([1]);
    const resumed = { exportOnnx: false, resume: true };
    await expect(trainStepwiseDpo(config, { ...resumed, signal: stop(2) })).rejects.toThrow("stopped after step 2");
    await trainStepwiseDpo(config, resumed);
    await expectSameAsStraight(config);
  });

  test("a resumed run forgets what was logged after its checkpoint", async () => {
    const config = run.config("killed");
    await trainStepwiseDpo(config, { exportOnnx: false });
    await rm(join(config.outputDir, "checkpoint-4"), { recursive: true });
    await trainStepwiseDpo(config, { exportOnnx: false, resume: true });
    await expectSameAsStraight(config);
  });

  test("resumed between two lines of the log, the run logs the straight run's means", async () => {
    const every4 = { loggingSteps: 4, maxSteps: 4, saveSteps: 1 };
    await trainStepwiseDpo(run.config("means", every4), { exportOnnx: false });
    const config = run.config("means-resumed", every4);
    await trainStepwiseDpo(config, { exportOnnx: false });
    for (const step of [2, 3]) await rm(join(config.outputDir, `checkpoint-${step}`), { recursive: true });
    await trainStepwiseDpo(config, { exportOnnx: false, resume: true });
    expect(await readMetrics(config.outputDir)).toEqual(await readMetrics(run.config("means").outputDir));
  });

  test("a run that was stopped during an evaluation between two lines of the log makes up for it", async () => {
    const settings = { loggingSteps: 4, evalSteps: 2, saveSteps: 2, maxSteps: 4 };
    const config = run.config("evaluating", settings);
    await trainStepwiseDpo(config, { exportOnnx: false });
    const straight = await readMetrics(config.outputDir);
    const kinds = straight.map((line) => `${line.step}:${"eval_loss" in line ? "eval" : "train"}`);
    expect(kinds).toEqual(["2:eval", "4:train", "4:eval"]);
    // as Ctrl-C during the evaluation leaves it: the checkpoint of its step, no line
    await rm(join(config.outputDir, "trainer_state.json"));
    await writeFile(join(config.outputDir, "metrics.jsonl"), "");
    await trainStepwiseDpo(config, { exportOnnx: false, resume: true });
    expect(await readMetrics(config.outputDir)).toEqual(straight);
  });

  test("a half-written checkpoint is not resumed from", async () => {
    const config = run.config("half");
    await expect(
      trainStepwiseDpo(config, { exportOnnx: false, signal: stopAfter(config.outputDir, 1) }),
    ).rejects.toThrow("step 1");
    await writeFile(join(config.outputDir, "checkpoint-5.tmp"), "");
    await trainStepwiseDpo(config, { exportOnnx: false, resume: true });
    await expectSameAsStraight(config);
  });

  test.each([
    ["learning_rate", { learningRate: 2e-3 }],
    ["seed", { seed: 1 }],
    ["aggregation", { aggregation: "min" as const }],
  ])("a run is not resumed under another %s", async (name, settings) => {
    const config = { ...run.config("straight"), ...settings };
    await expect(trainStepwiseDpo(config, { resume: true })).rejects.toThrow(
      new RegExp(`"${name}" is .*, the run to resume had .*checkpoint-4.*Resume with the same settings`),
    );
  });

  test("a run is not resumed on other data", async () => {
    const other = await createTinyRun(join(run.dir, "other"));
    const config = other.config("out");
    await expect(
      trainStepwiseDpo(config, { exportOnnx: false, signal: stopAfter(config.outputDir, 1) }),
    ).rejects.toThrow("step 1");
    const path = join(config.data, "train.jsonl");
    await writeFile(path, (await readFile(path, "utf8")).replace("0.75", "0.7"));
    await expect(trainStepwiseDpo(config, { resume: true })).rejects.toThrow("the training data or its scores changed");
  });

  test("a damaged checkpoint is named, with what to do", async () => {
    const dir = join(run.dir, "straight", "checkpoint-2");
    const path = join(dir, "training_state.json");
    const whole = await readFile(path, "utf8");
    await writeFile(path, whole.slice(0, 50));
    await expect(loadCheckpointState(dir)).rejects.toThrow(
      /training_state\.json cannot be read \(.*checkpoint-2\)\. Delete this checkpoint/,
    );
    await writeFile(path, whole);
  });
});

describe("a run stops", () => {
  test("soon after Ctrl-C, wherever the next checkpoint may be", async () => {
    const config = run.config("ctrl-c", { maxSteps: 3000, saveSteps: 3000 });
    const controller = new AbortController();
    const timer = setInterval(() => {
      if (existsSync(join(config.outputDir, "metrics.jsonl"))) controller.abort();
    }, 20);
    await expect(trainStepwiseDpo(config, { exportOnnx: false, signal: controller.signal })).rejects.toMatchObject({
      code: "interrupted",
    });
    clearInterval(timer);
  });

  test("before the first step without a trace, and an earlier run's files are as they were", async () => {
    const config = run.config("again");
    const before = await readdir(config.outputDir);
    const resume = { exportOnnx: false, signal: AbortSignal.abort() };
    await expect(trainStepwiseDpo(config, resume)).rejects.toMatchObject({
      code: "interrupted",
      message: expect.stringMatching(/stopped before the first step \(.*again\)\. Run the same command again\./),
    });
    expect(await readdir(config.outputDir)).toEqual(before);
    const fresh = run.config("never-begun");
    await expect(trainStepwiseDpo(fresh, resume)).rejects.toThrow("stopped before the first step");
    expect(existsSync(fresh.outputDir)).toBe(false);
  });

  test.each([
    ["an evaluation on the way", { evalSteps: 2 }, 2, "step 2"],
    ["the last evaluation", {}, 6, "step 6"],
  ])("during %s, and resumed, the run equals the straight one", async (name, settings, lines, step) => {
    const whole = run.config(`${name}-whole`, settings);
    await trainStepwiseDpo(whole, { exportOnnx: false });
    const config = run.config(name, settings);
    const stopped = trainStepwiseDpo(config, { exportOnnx: false, signal: stopAfter(config.outputDir, lines) });
    await expect(stopped).rejects.toThrow(`stopped after ${step}`);
    expect(existsSync(join(config.outputDir, "model.safetensors"))).toBe(false);
    await trainStepwiseDpo(config, { exportOnnx: false, resume: true });
    expect(await readMetrics(config.outputDir)).toEqual(await readMetrics(whole.outputDir));
    expect((await weights(config.outputDir)).equals(await weights(whole.outputDir))).toBe(true);
  });

  test("during the export with the model saved, and says how to export it", async () => {
    const config = run.config("export", { maxSteps: 2 });
    const signal = stopAfter(config.outputDir, 3);
    await expect(trainStepwiseDpo(config, { signal })).rejects.toMatchObject({
      code: "interrupted",
      message: expect.stringMatching(/stopped while exporting .*npm run export -- --model .*export$/),
    });
    expect(existsSync(join(config.outputDir, "model.safetensors"))).toBe(true);
    expect(existsSync(join(config.outputDir, "stepwise_manifest.json"))).toBe(false);
  });

  test.each([
    ["model", { model: "no/such model" }],
    ["data", { data: "nowhere" }],
  ])("at a mistaken %s, and an earlier run's checkpoints are kept", async (_, settings) => {
    const config = { ...run.config("seed"), ...settings };
    const before = await readdir(config.outputDir);
    expect(before).toContain("checkpoint-4");
    await expect(trainStepwiseDpo(config, { exportOnnx: false, overwrite: true })).rejects.toThrow();
    expect(await readdir(config.outputDir)).toEqual(before);
  });

  test("with an error when the loss is not finite, its last checkpoint kept", async () => {
    const config = run.config("diverged", { learningRate: 1e30, saveSteps: 1, maxGradNorm: 0 });
    await expect(trainStepwiseDpo(config, { exportOnnx: false })).rejects.toMatchObject({
      code: "loss_not_finite",
      message: expect.stringMatching(
        /the (loss|gradient) is not a finite number \(step 2\)\. Lower --learning-rate .* checkpoint-1\./,
      ),
    });
    expect(existsSync(join(config.outputDir, "checkpoint-1", "model.safetensors"))).toBe(true);
    expect(existsSync(join(config.outputDir, "model.safetensors"))).toBe(false);
  });

  test("with an error when the gradient overflows though the loss does not, before it reaches a checkpoint", async () => {
    const large = await createTinyRun(join(run.dir, "large"));
    const dir = join(large.dir, "model");
    const reader = await openModelTensors(dir);
    const tensors = await Promise.all(
      reader.names.map(async (name) => {
        const { shape } = reader.info(name);
        const values = await reader.readFloat32(name);
        return {
          name,
          shape: [...shape],
          data: name === "lm_head.weight" ? values.map((value) => value * 1e20) : values,
        };
      }),
    );
    await reader.close();
    await writeSafetensors(join(dir, "model.safetensors"), tensors);
    const config = large.config("out", { saveSteps: 1 });
    await expect(trainStepwiseDpo(config, { exportOnnx: false })).rejects.toThrow(
      /the gradient is not a finite number \(step \d\)/,
    );
  });

  test("with an error rather than a broken model when the last step diverged", async () => {
    const config = run.config("last", { learningRate: 1e30, weightDecay: 3e8, maxSteps: 1, maxGradNorm: 0 });
    await expect(trainStepwiseDpo(config, { exportOnnx: false })).rejects.toThrow(
      "the evaluation loss is not a finite number (step 1)",
    );
    expect(existsSync(join(config.outputDir, "model.safetensors"))).toBe(false);
  });
});

test("without given scores the judge is asked once, and its scores are kept beside the data", async () => {
  const judged = await createTinyRun(join(run.dir, "judged"));
  const path = join(judged.dir, "data", "train.jsonl");
  await writeFile(path, (await readFile(path, "utf8")).replace(/,"chosen_score":[^}]*/g, ""));
  const lines: string[] = [];
  const result = await trainStepwiseDpo(judged.config("out", { maxSteps: 2 }), {
    exportOnnx: false,
    log: (text) => lines.push(text),
  });
  expect(result.data.margins?.count).toBe(6);
  expect(lines.join("\n")).toContain("of 6");
  const [cache = ""] = await readdir(join(judged.dir, "data", ".step-scores"));
  expect((await readFile(join(judged.dir, "data", ".step-scores", cache), "utf8")).trimEnd().split("\n")).toHaveLength(
    12,
  );
});

test("stopped while scoring, a run keeps the scores it has and asks only for the rest", async () => {
  const many = await createTinyRun(join(run.dir, "many"));
  const pair = (i: number): string =>
    JSON.stringify({ prompt: `Tom has ${i} apples`, chosen: `${i} + 1 = 2`, rejected: `${i} - 1 = 2` });
  await writeFile(join(many.dir, "data", "train.jsonl"), Array.from({ length: 70 }, (_, i) => `${pair(i)}\n`).join(""));
  const config = many.config("out", { maxSteps: 1 });
  const stopped = trainStepwiseDpo(config, { exportOnnx: false, signal: AbortSignal.abort() });
  await expect(stopped).rejects.toMatchObject({
    code: "interrupted",
    message: expect.stringMatching(
      /^stopped while scoring, 128 of 140 completions done and kept\. Run the same command/,
    ),
  });
  const folder = join(many.dir, "data", ".step-scores");
  const [cache = ""] = await readdir(folder);
  const lines = async (): Promise<number> => (await readFile(join(folder, cache), "utf8")).trimEnd().split("\n").length;
  expect(await lines()).toBe(128);
  await trainStepwiseDpo(config, { exportOnnx: false });
  expect(await lines()).toBe(140);
});
