// What a run that is resumed takes from its folder, and when it is refused or left alone.

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LogEntry } from "../../../../src/train/io/trainer-state.ts";
import { outputDirOf, resolveTrainConfig } from "../../../../src/train/recipes/dpo/config.ts";
import { savedOnlineSettings } from "../../../../src/train/recipes/online/state.ts";
import { makeBaseModel } from "../../../../src/train/recipes/pretrain/base-model.ts";
import { resolveRewardConfig } from "../../../../src/train/recipes/reward/config.ts";
import { checkResumable, savedSettings } from "../../../../src/train/recipes/run/resume.ts";
import { firstStep, TRAIN_CONFIG_FILE } from "../../../../src/train/recipes/run/run-folder.ts";
import { withRunLock } from "../../../../src/train/recipes/run/run-lock.ts";

const finished = {
  global_step: 2,
  epoch: 1,
  max_steps: 2,
  num_train_epochs: 1,
  train_batch_size: 2,
  logging_steps: 1,
  save_steps: 1,
  eval_steps: null,
  best_metric: null,
  best_global_step: null,
  best_model_checkpoint: null,
  is_world_process_zero: true,
  is_local_process_zero: true,
  log_history: [] satisfies LogEntry[],
};

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "resume-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function folder(name: string, files: Readonly<Record<string, object>>): Promise<string> {
  const dir = join(root, name);
  for (const [file, json] of Object.entries(files)) {
    await mkdir(join(dir, file, ".."), { recursive: true });
    await writeFile(join(dir, file), JSON.stringify(json));
  }
  return dir;
}

describe("settings of a run that goes on", () => {
  test("are its own, below those of a file and of flags given now; a moved folder is where it is found", async () => {
    const dir = await folder("moved", {
      "train_config.json": { output_dir: "elsewhere", max_steps: 2, loss_type: "ipo", beta: 0.3, seed: 7 },
    });
    const saved = await savedSettings(dir, TRAIN_CONFIG_FILE);
    const config = resolveTrainConfig({ seed: 8, logging_steps: 3 }, { loggingSteps: 5 }, "config file", saved);
    expect(config).toMatchObject({ maxSteps: 2, lossType: "ipo", beta: 0.3, seed: 8, loggingSteps: 5, outputDir: dir });
  });

  test("are those of the defaults where none was begun", async () => {
    expect(await savedSettings(join(root, "nowhere"), TRAIN_CONFIG_FILE)).toBeUndefined();
  });

  test("are looked for where flags, the file or the defaults send the run", () => {
    const file = { output_dir: "from-file" };
    expect(outputDirOf(file, { outputDir: "from-flag" })).toBe("from-flag");
    expect(outputDirOf(file, {})).toBe("from-file");
    expect(outputDirOf(undefined, {})).toBe("outputs/final_stepwise_dpo_model");
  });

  test("of a reward model: flags over the saved, the saved over the defaults", () => {
    const config = resolveRewardConfig({ saveSteps: 9 }, { lm_weight: 0.25, data: ["a", "b"], save_steps: 3 });
    expect(config).toMatchObject({ lmWeight: 0.25, data: ["a", "b"], saveSteps: 9, seed: 42 });
    expect(() => resolveRewardConfig({}, { lm_weight: "much" })).toThrow(/--lm-weight is "much"/);
  });

  test("of an online run stand apart from those of its updates", async () => {
    const dir = await folder("online", {
      "online_config.json": { rounds: 2, learn_from: "group", train: { loss_type: "grpo", output_dir: "elsewhere" } },
    });
    expect(await savedOnlineSettings(dir)).toEqual({
      train: { loss_type: "grpo", output_dir: dir },
      online: { rounds: 2, learnFrom: "group" },
    });
  });
});

describe("a run to resume", () => {
  const now = { config: { max_steps: -1, logging_steps: 5 }, free: [] };
  const own = { "train_config.json": { max_steps: 2, logging_steps: 1 } };
  const check = (dir: string, config = now.config): Promise<void> =>
    checkResumable(dir, TRAIN_CONFIG_FILE, { ...now, config });

  test("of other settings is refused by the one that differs, finished or not, but not before its first checkpoint", async () => {
    const dirs = [
      await folder("begun", { ...own, "checkpoint-1/x": {} }),
      await folder("done", { ...own, "trainer_state.json": finished }),
    ];
    for (const dir of dirs)
      await expect(check(dir)).rejects.toThrow(/"max_steps" is -1, the run to resume had 2 .*--overwrite in place of/);
    await check(await folder("no-checkpoint", own));
    await check(await folder("new", {}));
  });

  test("that is finished says so, with its steps, and is not begun anew", async () => {
    const dir = await folder("finished", { ...own, "trainer_state.json": finished });
    const told = { code: "run_finished", message: expect.stringContaining("the run is finished (2 steps)") };
    await expect(check(dir, { max_steps: 2, logging_steps: 5 })).rejects.toMatchObject(told);
    await expect(firstStep(dir, { resume: true })).rejects.toMatchObject(told);
    expect(await firstStep(dir, {})).toBe(0);
  });

  test("of another kind than the finished one that lies there is none", async () => {
    const dir = await folder("reward", { "reward_config.json": {}, "trainer_state.json": finished });
    await expect(check(dir)).rejects.toThrow(/a finished run lies there, of another kind/);
  });

  test("whose settings are damaged names the file", async () => {
    const dir = await folder("damaged", { "train_config.json": [] });
    await expect(savedSettings(dir, TRAIN_CONFIG_FILE)).rejects.toThrow(/train_config\.json is not a JSON object/);
  });
});

describe("pretraining", () => {
  const config = {
    steps: 2,
    batchSize: 1,
    judgeBatchSize: 1,
    checkBatchSize: 1,
    shortShare: 0.5,
    misreadShare: 0,
    learningRate: 1e-3,
    warmupSteps: 1,
    decaySteps: 1,
    seed: 1,
    saveSteps: 1,
    evaluationProblems: 1,
  };

  test("that is finished, card and all, says so", async () => {
    const outputDir = await folder("pretrained", { "trainer_state.json": finished, "README.md": {} });
    await expect(makeBaseModel({ ...config, outputDir }, { resume: true })).rejects.toMatchObject({
      code: "run_finished",
      message: expect.stringMatching(/finished \(2 steps\).*--steps with more/),
    });
  });

  test("writes to no folder that another run writes to", async () => {
    const outputDir = join(root, "taken");
    await withRunLock(outputDir, async () => {
      await expect(makeBaseModel({ ...config, outputDir })).rejects.toMatchObject({ code: "run_in_progress" });
    });
  });
});
