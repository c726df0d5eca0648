// Training a process reward model, on a tiny random model: it learns, resumes on the same curve, and what it writes is used as one.

import { readdirSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type RewardConfig,
  type RewardSettings,
  resolveRewardConfig,
} from "../../../../src/train/recipes/reward/config.ts";
import { trainRewardModel } from "../../../../src/train/recipes/reward/recipe.ts";
import { ProcessRewardModel } from "../../../../src/train/reward/process/process-reward-model.ts";
import { loadRewardModel } from "../../../../src/train/reward/reward-model.ts";
import { tf } from "../../../../src/train/tensorflow/tensorflow.ts";
import { readMetrics, stopAfter } from "../dpo/tiny-run.ts";
import { writeTinyFolder } from "../pretrain/tiny-folder.ts";

let dir = "";
/** Steps that add are right, steps that subtract are wrong. */
const row = (a: number, b: number): string => {
  const steps: [string, boolean | null][] = [
    [`${a} + ${b} = ${a + b}`, true],
    [`${a} - ${b} = ${a + b}`, false],
    [`${b} + ${a} = 9`, a % 2 === 0 ? null : true],
  ];
  const first = (a + b) % 3; // no place belongs to one label
  const turned = [...steps.slice(first), ...steps.slice(0, first)];
  return JSON.stringify({
    prompt: `Tom has ${a} apples and buys ${b} more. How many?`,
    completions: turned.map(([text]) => text),
    labels: turned.map(([, label]) => label),
  });
};

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "train-reward-"));
  await writeTinyFolder(join(dir, "model"));
  await mkdir(join(dir, "data"));
  const rows = Array.from({ length: 24 }, (_, i) => row(2 + (i % 6), 3 + Math.floor(i / 6)));
  await writeFile(join(dir, "data", "train.jsonl"), rows.join("\n"));
  await writeFile(join(dir, "data", "eval.jsonl"), [row(2, 9), row(3, 8), row(5, 7), row(6, 7)].join("\n"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const config = (name: string, settings: RewardSettings = {}): RewardConfig =>
  resolveRewardConfig({
    model: join(dir, "model"),
    data: [join(dir, "data")],
    outputDir: join(dir, name),
    numTrainEpochs: 2,
    perDeviceTrainBatchSize: 8,
    learningRate: 1e-2,
    loggingSteps: 1,
    saveSteps: 2,
    evalSteps: 2,
    ...settings,
  });

describe("a run", () => {
  test("learns, and leaves a model that is used as a process reward model", async () => {
    const lines: string[] = [];
    const settings = config("learned", { numTrainEpochs: 16, loggingSteps: 6, saveSteps: 500, evalSteps: null });
    const { before, after, steps } = await trainRewardModel(settings, { log: (line) => lines.push(line) });
    expect(steps).toBe(48);
    expect(after.eval_loss).toBeLessThan(0.5 * (before.eval_loss ?? 0));
    expect(after.eval_auc).toBeGreaterThan(0.9);
    expect(after.eval_first_error_wrong).toBeGreaterThan(0.5);
    expect(lines).toContain("step labels: 60, 60.0 % right; 12 steps without one");

    const reward = await loadRewardModel(join(dir, "learned"));
    expect(reward).toBeInstanceOf(ProcessRewardModel);
    const [scored] = reward.score([{ prompt: "Tom has 4 apples.", completion: "4 + 4 = 8\n4 - 4 = 8" }]);
    reward.dispose();
    const [plus = Number.NaN, minus = Number.NaN] = scored?.stepScores ?? [];
    expect(plus - minus).toBeGreaterThan(0.3);

    const json = async (name: string) => JSON.parse(await readFile(join(dir, "learned", name), "utf8"));
    expect(await json("reward_model.json")).toEqual({ type: "process", template_version: "stepwise-1" });
    expect(await json("stepwise_manifest.json")).toMatchObject({ reward: { type: "process" } });
    expect(await json("all_results.json")).toMatchObject({ eval_auc: after.eval_auc ?? Number.NaN });
    expect((await json("reward_config.json")).learning_rate).toBe(1e-2);
    expect(await readFile(join(dir, "learned", "README.md"), "utf8")).toContain("| eval_auc |");
  });

  test("goes on from a process reward model as it is: no layer is added, and its first figures are the other's last", async () => {
    const whole = { exportOnnx: false };
    const { after } = await trainRewardModel(config("grown", { maxSteps: 6, evalSteps: null }), whole);
    const onward = { model: join(dir, "grown"), maxSteps: 1, evalSteps: null };
    const { before } = await trainRewardModel(config("onward", onward), whole);
    expect(Object.keys(before).length).toBeGreaterThan(4);
    expect(before).toEqual(after);
    const layers = async (name: string) =>
      JSON.parse(await readFile(join(dir, name, "config.json"), "utf8")).num_decoder_layers;
    expect(await layers("onward")).toBe(await layers("grown"));
    expect(await layers("grown")).toBe((await layers("model")) + 2);
    await expect(trainRewardModel(config("deep", { ...onward, extraDecoderLayers: 9 }), whole)).rejects.toThrow(
      "and 9 were added (--extra-decoder-layers)",
    );
  });

  test("stopped and resumed is the run in one piece, to the last bit of its log", async () => {
    await trainRewardModel(config("straight"), { exportOnnx: false });
    const stopped = trainRewardModel(config("resumed"), {
      exportOnnx: false,
      signal: stopAfter(join(dir, "resumed"), 3),
    });
    await expect(stopped).rejects.toThrow("Run the same command with --resume to continue.");
    await expect(trainRewardModel(config("resumed"), { exportOnnx: false })).rejects.toThrow(
      "an unfinished run lies there",
    );
    await trainRewardModel(config("resumed"), { resume: true, exportOnnx: false });
    expect(await readMetrics(join(dir, "resumed"))).toEqual(await readMetrics(join(dir, "straight")));
  });

  test("other settings or data than before are refused on resume", async () => {
    await trainRewardModel(config("again"), { exportOnnx: false });
    const resume = (settings: RewardSettings) =>
      trainRewardModel(config("again", settings), { resume: true, exportOnnx: false });
    await expect(resume({ lmWeight: 0.25 })).rejects.toThrow('"lm_weight" is 0.25, the run to resume had 0.5');
    await expect(resume({ seed: 7 })).rejects.toThrow('"seed" is 7, the run to resume had 42');
  });

  test("leaves no tensor behind", async () => {
    const settings = { maxSteps: 2, evalSteps: null };
    await trainRewardModel(config("memory", settings), { exportOnnx: false });
    const before = tf.memory().numTensors;
    await trainRewardModel(config("memory", settings), { overwrite: true, exportOnnx: false });
    expect(tf.memory().numTensors).toBe(before);
  });
});

test("questions that are evaluated on are not trained on, and that is said", async () => {
  const lines: string[] = [];
  const settings = config("overlap", { maxSteps: 1, data: [join(dir, "data", "train.jsonl")], evalFraction: 0.25 });
  await trainRewardModel(settings, { exportOnnx: false, log: (line) => lines.push(line) });
  expect(lines).toContain("solutions: 18 to train on, 6 to evaluate; left out: {}");
  const same = { ...settings, outputDir: join(dir, "overlap2"), evalData: join(dir, "data", "train.jsonl") };
  await expect(trainRewardModel(same, { exportOnnx: false })).rejects.toThrow(
    'no solution is left to train on; left out: {"question is in the evaluation set":24}',
  );
});

test("settings out of range are refused by their flag, before anything is written", () => {
  expect(() => config("no", { learningRate: 0 })).toThrow("--learning-rate is 0");
  expect(() => config("no", { evalFraction: 1 })).toThrow("--eval-fraction is 1");
  expect(readdirSync(dir)).not.toContain("no");
});
