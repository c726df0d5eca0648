// A process reward model in three runtimes: TensorFlow.js, onnxruntime, and the worker in real workerd. The same solutions get the same
// step scores. The model is the base model under another reading: its answers mean nothing before training, its numbers do.

import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BASE_MODEL } from "../../src/infer/default-models.ts";
import { type LocalWorker, startLocalWorker } from "../../src/infer/local-worker.ts";
import { PROCESS_REWARD_MODEL, REWARD_MODEL_FILE } from "../../src/shared/process-reward.ts";
import { type Pair, pairSchema } from "../../src/shared/records.ts";
import { exportOnnx } from "../../src/train/onnx/export/export-onnx.ts";
import { loadRewardModel } from "../../src/train/reward/reward-model.ts";
import { startTensorflow } from "../../src/train/tensorflow/tensorflow.ts";
import { openReference } from "./reference.ts";

let dir = "";
let pairs: Pair[];
/** By TensorFlow.js: chosen, rejected, chosen, ... */
let scores: number[][];

beforeAll(async () => {
  await startTensorflow();
  dir = await mkdtemp(join(tmpdir(), "stepwise-process-"));
  for (const name of ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"])
    await cp(join(BASE_MODEL, name), join(dir, name));
  await writeFile(join(dir, REWARD_MODEL_FILE), JSON.stringify(PROCESS_REWARD_MODEL));
  const lines = (await readFile("data/dpo/eval.jsonl", "utf8")).split("\n").slice(0, 6);
  pairs = lines.map((line) => pairSchema.parse(JSON.parse(line)));
  const reward = await loadRewardModel(dir);
  const sides = pairs.flatMap(({ prompt, chosen, rejected }) => [
    { prompt, completion: chosen },
    { prompt, completion: rejected },
  ]);
  scores = reward.score(sides).map(({ stepScores }) => stepScores);
  reward.dispose();
  await exportOnnx({ modelDir: dir, name: "process" });
});

afterAll(() => rm(dir, { recursive: true, force: true }));

function largestGap(actual: readonly (readonly number[])[]): number {
  expect(actual.map((row) => row.length)).toEqual(scores.map((row) => row.length));
  return Math.max(
    ...actual.flatMap((row, i) => row.map((value, s) => Math.abs(value - (scores[i]?.[s] ?? Number.NaN)))),
  );
}

test("onnxruntime gives the trainer's step scores, a step at a time", async () => {
  const reference = await openReference(dir, "");
  const some = pairs.slice(0, 2);
  const actual: number[][] = [];
  for (const { prompt, chosen, rejected } of some)
    actual.push(await reference.processScores(prompt, chosen), await reference.processScores(prompt, rejected));
  scores.slice(0, 4).forEach((row, i) => {
    row.forEach((score, s) => {
      expect(Math.abs(score - (actual[i]?.[s] ?? Number.NaN))).toBeLessThan(1e-3);
    });
  });
  expect(new Set(scores.flat()).size).toBeGreaterThan(10);
});

describe("workerd", () => {
  let worker: LocalWorker;
  beforeAll(async () => {
    worker = await startLocalWorker({ policyDir: dir, rewardDir: dir, dtype: "fp32" });
  });
  afterAll(() => worker.stop());

  const send = (path: string, body?: unknown): Promise<Response> =>
    fetch(`${worker.url}${path}`, {
      headers: { "content-type": "application/json", connection: "close" },
      ...(body !== undefined && { method: "POST", body: JSON.stringify(body) }),
    });

  test("/score gives the trainer's step scores within 1e-3", async () => {
    const actual: number[][] = [];
    for (const pair of pairs) {
      const response = await send("/score", pair);
      expect(response.status).toBe(200);
      const { data } = (await response.json()) as { data: { steps: { score: number }[] }[] };
      actual.push(...data.map(({ steps }) => steps.map(({ score }) => score)));
    }
    expect(largestGap(actual)).toBeLessThan(1e-3);
  });

  test("/info says what kind of reward model it is", async () => {
    expect(await (await send("/info")).json()).toMatchObject({ reward: { id: "process", type: "process" } });
  });

  test("a judge's context is refused, by its field", async () => {
    const response = await send("/score", { prompt: "2 + 2?", completion: "2 + 2 = 4", context: "none" });
    expect(response.status).toBe(422);
    expect(await response.text()).toContain('field \\"context\\"');
  });
});
