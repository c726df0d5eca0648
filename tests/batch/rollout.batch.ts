// A rollout whose samples and scores come from workers: the same as one on this machine, for the same seed.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openFleet } from "../../src/infer/fleet.ts";
import { type LocalWorker, startLocalWorker } from "../../src/infer/local-worker.ts";
import { ensureExported } from "../../src/train/onnx/export/ensure-exported.ts";
import { type RolloutOptions, runRollout } from "../../src/train/recipes/rollout/run.ts";
import { startTensorflow } from "../../src/train/tensorflow/tensorflow.ts";

const POLICY = "data/models/stepwise-t5-nano";
const REWARD = "data/models/stepwise-t5-nano-prm";

let folder = "";
let worker: LocalWorker;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "stepwise-rollout-"));
  await startTensorflow();
  const say = () => undefined;
  const policyDir = await ensureExported(POLICY, { dtype: "fp32", say });
  const rewardDir = await ensureExported(REWARD, { dtype: "fp32", say });
  worker = await startLocalWorker({ policyDir, rewardDir, dtype: "fp32" });
});
afterAll(async () => {
  await worker?.stop();
  await rm(folder, { recursive: true, force: true });
});

interface Solved {
  prompt: string;
  samples: { completion: string; tokens: number; step_scores: number[] }[];
  branches?: { prefix: string; step: string }[];
}

async function roll(name: string, more: Partial<RolloutOptions>): Promise<Solved[]> {
  const outputDir = join(folder, name);
  await runRollout({
    modelDir: POLICY,
    scorer: "judge",
    aggregation: "mean",
    data: "preference",
    problems: 6,
    samples: 3,
    sampling: { doSample: true, temperature: 0.9, topK: 20, topP: 0.95 },
    maxNewTokens: 48,
    pairs: ["best-worst", "step"],
    pairScores: true,
    maxPairsPerProblem: 4,
    requireRight: false,
    resample: 2,
    monteCarlo: 0,
    labels: "checker",
    evalFraction: 0,
    seed: 7,
    outputDir,
    batchSize: 16,
    resume: false,
    overwrite: false,
    ...more,
  });
  const text = await readFile(join(outputDir, "rollouts.jsonl"), "utf8");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

test("samples and branches are the same to the letter, scores within 1e-3, on fp32 files", async () => {
  const here = await roll("here", { rewardModelDir: REWARD });
  const fleet = await openFleet([worker.url, worker.url], {});
  const there = await roll("there", { fleet });
  const texts = (solved: Solved[]) =>
    solved.map(({ prompt, samples, branches = [] }) => ({
      prompt,
      samples: samples.map(({ completion, tokens }) => ({ completion, tokens })),
      branches: branches.map(({ prefix, step }) => ({ prefix, step })),
    }));
  expect(texts(there)).toEqual(texts(here));
  expect(texts(here).some(({ branches }) => branches.length > 0)).toBe(true);
  const scores = (solved: Solved[]) => solved.flatMap(({ samples }) => samples.flatMap((sample) => sample.step_scores));
  const expected = scores(here);
  expect(expected.length).toBeGreaterThan(20);
  scores(there).forEach((score, at) => {
    expect(Math.abs(score - (expected[at] ?? Number.NaN))).toBeLessThan(1e-3);
  });
});
