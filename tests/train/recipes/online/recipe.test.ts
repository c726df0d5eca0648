// Online training of the model that ships, end to end on a few problems: what lies in the folder, and that stopping changes nothing.

import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { REWARD_MODEL_FILE } from "../../../../src/shared/process-reward.ts";
import { resolveTrainConfig, type TrainSettings } from "../../../../src/train/recipes/dpo/config.ts";
import type { OnlineRun } from "../../../../src/train/recipes/online/folder.ts";
import { trainOnline } from "../../../../src/train/recipes/online/recipe.ts";
import { type GivenOnlineSettings, resolveOnlineSettings } from "../../../../src/train/recipes/online/settings.ts";
import { rolloutSchema } from "../../../../src/train/recipes/rollout/rollout.ts";
import { loadModel } from "../../../../src/train/store/model-folder.ts";
import { tf } from "../../../../src/train/tensorflow/tensorflow.ts";
import { writeTinyFolder } from "../pretrain/tiny-folder.ts";

let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "online-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const train: TrainSettings = {
  lossType: "grpo",
  advantages: "progress",
  learningRate: 1e-3,
  perDeviceTrainBatchSize: 4,
  numTrainEpochs: 1,
  maxSteps: 2,
  loggingSteps: 1,
  saveSteps: 1,
}; /** Few words of the model that ships: nothing right, nothing to learn from. */
const SFT = { lossType: "sft", advantages: "process" } as const;
const online: GivenOnlineSettings = { rounds: 2, problems: 6, samples: 3, temperature: 1.3, maxNewTokens: 48 };

function start(
  name: string,
  run: OnlineRun = {},
  changes: { train?: TrainSettings; online?: GivenOnlineSettings } = {},
) {
  const config = resolveTrainConfig({}, { ...train, ...changes.train, outputDir: join(dir, name) });
  const training = { lossType: config.lossType, hasRewardModel: false };
  const settings = resolveOnlineSettings({ ...online, ...changes.online }, training);
  return trainOnline(config, settings, { exportOnnx: false, ...run });
}

const weights = (name: string): Promise<Buffer> => readFile(join(dir, name, "model.safetensors"));
const logOf = async (name: string): Promise<Record<string, unknown>[]> =>
  (await readFile(join(dir, name, "metrics.jsonl"), "utf8"))
    .trimEnd()
    .split("\n")
    .map((line): Record<string, unknown> => JSON.parse(line));

/** Stops the run once `path` is there. */
function stopAt(path: string): AbortSignal {
  const controller = new AbortController();
  const look = (): void => {
    if (existsSync(path)) controller.abort();
    else setTimeout(look, 1).unref();
  };
  look();
  return controller.signal;
}

describe("two rounds", () => {
  beforeAll(() => start("straight"), 120_000);

  test("leave a model that loads, its card, the samples of both rounds and one log", async () => {
    const model = await loadModel(join(dir, "straight"));
    tf.dispose(model.parameters);
    expect((await weights("straight")).equals(await readFile("data/models/stepwise-t5-nano/model.safetensors"))).toBe(
      false,
    );
    for (const round of ["1", "2"]) {
      const text = await readFile(join(dir, "straight", "rounds", round, "rollouts.jsonl"), "utf8");
      const rollouts = text
        .trimEnd()
        .split("\n")
        .map((line) => rolloutSchema.parse(JSON.parse(line)));
      expect(rollouts.map(({ samples }) => samples.length)).toEqual(Array(6).fill(3));
    }
    expect(await readFile(join(dir, "straight", "README.md"), "utf8")).toContain("trained online (grpo on group)");
    const log = await logOf("straight");
    expect(log.map(({ round, step }) => [round, step])).toEqual([
      [1, 1],
      [1, 2],
      [1, 2],
      [2, 3],
      [2, 4],
      [2, 4],
    ]);
    expect(log[2]).toMatchObject({ samples: 18, problems: 6, steps: 2 });
    expect(log[2]?.samples_right).toBeGreaterThanOrEqual(0);
    // only the newest policy is kept
    expect(await readdir(join(dir, "straight", "rounds", "1"))).toEqual(["rollouts.jsonl"]);
  });

  test("the second round samples with the updated policy", async () => {
    const frozen = await start("frozen", {}, { train: { learningRate: 1e-12 } });
    const moved = await logOf("straight");
    expect(frozen.rounds[0]?.tokens).toBe(moved[2]?.tokens);
    const second = (name: string) => readFile(join(dir, name, "rounds", "2", "rollouts.jsonl"), "utf8");
    expect(await second("frozen")).not.toBe(await second("straight"));
  }, 120_000);

  test("stopped while sampling, in an update and between rounds, they end with the same weights and log", async () => {
    const places = ["rounds/1/rollouts.jsonl", "rounds/1/model/checkpoint-1", "rounds/2/rollouts.jsonl"];
    for (const place of places) {
      const signal = stopAt(join(dir, "stopped", place));
      const resume = place !== places[0];
      await expect(start("stopped", { signal, resume })).rejects.toThrow(/stopped in round/);
    }
    await start("stopped", { resume: true });
    expect((await weights("stopped")).equals(await weights("straight"))).toBe(true);
    const timeless = (log: Record<string, unknown>[]) =>
      log.map(({ sample_seconds: _s, update_seconds: _u, ...entry }) => entry);
    expect(timeless(await logOf("stopped"))).toEqual(timeless(await logOf("straight")));
  }, 120_000);

  test("are not begun anew by mistake, nor resumed with other settings", async () => {
    await expect(start("straight")).rejects.toThrow(/an online run lies there/);
    await expect(start("straight", { resume: true }, { online: { temperature: 0.9 } })).rejects.toThrow(
      /"temperature"/,
    );
  });
});

test("a folder keeps an unfinished run of another kind, and no word of a finished one", async () => {
  const folder = join(dir, "other");
  await mkdir(join(folder, "checkpoint-3"), { recursive: true });
  await expect(start("other")).rejects.toThrow(/an unfinished run lies there \(checkpoint-3\)/);
  await expect(start("other", { resume: true })).rejects.toThrow(/an unfinished run lies there \(checkpoint-3\)/);
  expect(await readdir(folder)).toEqual(["checkpoint-3"]);
  await writeFile(join(folder, REWARD_MODEL_FILE), "{}");
  await start("other", { overwrite: true }, { online: { rounds: 1, problems: 2, samples: 2, maxNewTokens: 4 } });
  const files = await readdir(folder);
  expect(files).toContain("model.safetensors");
  expect(files).not.toContain(REWARD_MODEL_FILE);
  expect(files).not.toContain("checkpoint-3");
}, 120_000);

test("a start without generation_config.json, of which nothing was learnt, is published as it is", async () => {
  const model = join(dir, "bare");
  await writeTinyFolder(model);
  await rm(join(model, "generation_config.json"));
  const { rounds } = await start(
    "of-bare",
    {},
    {
      train: { model, lossType: "sft", advantages: "process" },
      online: { rounds: 1, problems: 2, samples: 2, maxNewTokens: 4 },
    },
  );
  expect(rounds.map(({ pairs, steps }) => [pairs, steps])).toEqual([[0, 0]]);
  expect((await weights("of-bare")).equals(await readFile(join(model, "model.safetensors")))).toBe(true);
}, 120_000);

test("a budget of samples ends the run; what is left of a round is not begun", async () => {
  const { rounds } = await start(
    "budget",
    {},
    { online: { rounds: 3, problems: 80, samples: 2, maxNewTokens: 8, budgetSamples: 100 } },
  );
  // chunks of 64 problems: the first is allowed, a second one is over the round's share of 33
  expect(rounds.map(({ samples }) => samples)).toEqual([128]);
}, 120_000);

test("with replay the second update has the first round's solutions, too", async () => {
  const { rounds } = await start(
    "replay",
    {},
    {
      train: { lossType: "sft", advantages: "process" },
      online: { problems: 12, samples: 3, maxNewTokens: 96, temperature: 1, replay: true },
    },
  );
  // right solutions that ended, each once, of each problem
  const found = await Promise.all(
    [1, 2].map(async (round) => {
      const text = await readFile(join(dir, "replay", "rounds", String(round), "rollouts.jsonl"), "utf8");
      const rollouts = text.trimEnd().split("\n");
      return rollouts.reduce((sum, line) => {
        const { samples } = rolloutSchema.parse(JSON.parse(line));
        const right = samples.filter(({ exact, finished }) => exact === true && finished);
        return sum + new Set(right.map(({ completion }) => completion)).size;
      }, 0);
    }),
  );
  const [first = 0, second = 0] = found;
  expect(first).toBeGreaterThan(0);
  expect(rounds.map(({ pairs }) => pairs)).toEqual([first, first + second]);
}, 120_000);

test("a round whose share is used up is skipped, and the next one samples", async () => {
  const lines: string[] = [];
  const { rounds } = await start(
    "skips",
    { log: (line) => lines.push(line) },
    { train: SFT, online: { rounds: 3, problems: 65, samples: 2, maxNewTokens: 2, budgetSamples: 180 } },
  );
  // 128 of 60, 120 and 180: the second round has no share left; then a chunk of 64 problems reaches the end
  expect(rounds.map(({ samples }) => samples)).toEqual([128, 0, 128]);
  expect(lines).toContainEqual(expect.stringMatching(/^round 2 is skipped: 128 samples/));
}, 120_000);

test("equal first rounds of two runs share their samples", async () => {
  const sharedDir = join(dir, "shared");
  await start("one", { sharedDir }, { online: { rounds: 1 } });
  const [kept] = await readdir(sharedDir);
  await start("two", { sharedDir }, { online: { rounds: 1 }, train: { advantages: "process" } });
  expect(await readdir(sharedDir)).toEqual([kept]);
  const rollouts = (name: string) => readFile(join(dir, name, "rounds", "1", "rollouts.jsonl"), "utf8");
  expect(await rollouts("two")).toBe(await rollouts("one"));
}, 120_000);

test("a shared file that lost its end is not taken for the round's samples", async () => {
  const sharedDir = join(dir, "cut");
  const changes = { train: SFT, online: { rounds: 1, problems: 3, samples: 2, maxNewTokens: 4 } };
  await start("cut-one", { sharedDir }, changes);
  const [name = ""] = await readdir(sharedDir);
  const shared = join(sharedDir, name);
  const whole = await readFile(shared, "utf8");
  const cuts = { line: whole.slice(0, whole.trimEnd().lastIndexOf("\n") + 1), middle: whole.slice(0, -9) };
  for (const [cut, text] of Object.entries(cuts)) {
    await writeFile(shared, text);
    await start(`cut-${cut}`, { sharedDir }, changes);
    expect(await readFile(shared, "utf8")).toBe(whole);
    expect(await readFile(join(dir, `cut-${cut}`, "rounds", "1", "rollouts.jsonl"), "utf8")).toBe(whole);
  }
}, 120_000);

test("a published run needs its rounds no more: resumed without them, it only tells what it did", async () => {
  const changes = { train: SFT, online: { rounds: 1, problems: 2, samples: 2, maxNewTokens: 4 } };
  const before = await start("published", {}, changes);
  const file = join(dir, "published", "online_state.json");
  const state = JSON.parse(await readFile(file, "utf8"));
  expect(state.published).toBe(true);
  // as though its update had made the model that lies there
  await writeFile(file, JSON.stringify({ ...state, rounds: [{ ...state.rounds[0], steps: 2 }] }));
  await rm(join(dir, "published", "rounds"), { recursive: true });
  const { rounds } = await start("published", { resume: true }, changes);
  expect(rounds).toEqual([{ ...before.rounds[0], steps: 2 }]);
  await writeFile(file, JSON.stringify({ ...state, published: false, rounds: [{ ...state.rounds[0], steps: 2 }] }));
  await start("published", { resume: true }, changes); // a state of an older version
}, 120_000);

test("a line of a round's samples that was cut is named", async () => {
  const changes = { train: SFT, online: { rounds: 1, problems: 2, samples: 2, maxNewTokens: 4 } };
  const file = join(dir, "named", "rounds", "1", "rollouts.jsonl");
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, '{"prompt": "x", "samples": []}\n{"prom');
  await expect(start("named", {}, changes)).rejects.toThrow(/rollouts\.jsonl, line 2\)\. Delete the file and resume/);
}, 120_000);

test("a search led by the checker finds right solutions, and counts what it dropped", async () => {
  const { rounds } = await start(
    "search",
    {},
    {
      online: { rounds: 1, search: "step-beam", samples: 2, searchExpand: 4, scorer: "checker", maxNewTokens: 96 },
      train: { lossType: "sft", advantages: "process" },
    },
  );
  const text = await readFile(join(dir, "search", "rounds", "1", "rollouts.jsonl"), "utf8");
  const rollouts = text
    .trimEnd()
    .split("\n")
    .map((line) => rolloutSchema.parse(JSON.parse(line)));
  const written = rollouts.flatMap(({ samples }) => samples).reduce((sum, { tokens }) => sum + tokens, 0);
  expect(rounds[0]?.tokens).toBeGreaterThan(2 * written);
  expect(rounds[0]?.problems_solved).toBeGreaterThan(0.5);
}, 120_000);
