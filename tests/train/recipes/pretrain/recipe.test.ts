// Pretraining on a tiny model: it learns, stops and goes on where it stopped, and a resumed run ends where the straight one ends.

import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { pretrain } from "../../../../src/train/recipes/pretrain/recipe.ts";
import { startTensorflow, tf } from "../../../../src/train/tensorflow/tensorflow.ts";
import { type LogLine, readMetrics, stopAfter } from "../dpo/tiny-run.ts";
import { writeTinySolver } from "./tiny-folder.ts";

let dir = "";
beforeAll(async () => {
  await startTensorflow();
  dir = await mkdtemp(join(tmpdir(), "pretrain-"));
  await writeTinySolver(join(dir, "initial"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** The rate stays at its peak but for the last step, so that a run may be stopped short and resumed as a longer one. */
async function run(
  name: string,
  steps: number,
  how: { resume?: boolean; signal?: AbortSignal } = {},
  changes = {},
): Promise<void> {
  const config = {
    modelDir: join(dir, "initial"),
    outputDir: join(dir, name),
    steps,
    batchSize: 2,
    judgeBatchSize: 2,
    checkBatchSize: 2,
    shortShare: 0.5,
    misreadShare: 0,
    learningRate: 3e-3,
    warmupSteps: 1,
    decaySteps: 1,
    seed: 5,
    saveSteps: 25,
    ...changes,
  };
  await pretrain(config, how);
}

const weights = (name: string): Promise<Buffer> => readFile(join(dir, name, "model.safetensors"));

const log = async (name: string): Promise<LogLine[]> => readMetrics(join(dir, name));

test("losses fall, every step is logged, and a resumed run equals the straight one", { timeout: 180_000 }, async () => {
  const before = tf.memory().numTensors;
  await run("straight", 50);
  const straight = await log("straight");
  expect(straight.map(({ step }) => step)).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
  const mean = (lines: LogLine[]): number =>
    lines.reduce((sum, line) => sum + (line.solve_loss ?? Number.NaN), 0) / lines.length;
  expect(mean(straight.slice(-10))).toBeLessThan(mean(straight.slice(0, 10)));
  await run("resumed", 25);
  await run("resumed", 50, { resume: true });
  expect(await log("resumed")).toEqual(straight);
  expect((await weights("resumed")).equals(await weights("straight"))).toBe(true);
  expect(tf.memory().numTensors).toBe(before);
});

test("killed, resumed and stopped within a pool of examples, the run equals the straight one and no line stands twice", {
  timeout: 180_000,
}, async () => {
  await cp(join(dir, "straight"), join(dir, "killed"), { recursive: true });
  // what a kill in step 27 leaves: a checkpoint of step 25, two lines after it, the second of them cut
  await rm(join(dir, "killed", "checkpoint-50"), { recursive: true });
  await rm(join(dir, "killed", "trainer_state.json"));
  const path = join(dir, "killed", "metrics.jsonl");
  const lines = (await readFile(path, "utf8")).split("\n");
  await writeFile(path, `${lines.slice(0, 26).join("\n")}\n{"step":27,"epo`);
  await expect(run("killed", 50)).rejects.toThrow("an unfinished run lies there");
  const stopped = run("killed", 50, { resume: true, signal: stopAfter(join(dir, "killed"), 27) });
  await expect(stopped).rejects.toMatchObject({
    code: "interrupted",
    message: expect.stringMatching(/stopped after step (2[7-9]|[34]\d) .*--resume/),
  });
  await run("killed", 50, { resume: true });
  expect(await log("killed")).toEqual(await log("straight"));
  expect((await weights("killed")).equals(await weights("straight"))).toBe(true);
});

test("a loss that is not finite stops the run with an error, its last good checkpoint kept", async () => {
  await cp(join(dir, "straight"), join(dir, "diverged"), { recursive: true });
  await expect(run("diverged", 60, { resume: true }, { learningRate: 1e38 })).rejects.toMatchObject({
    code: "loss_not_finite",
    message: expect.stringMatching(/the (loss|gradient) is not a finite number .* checkpoint-50\./),
  });
  expect(await readdir(join(dir, "diverged"))).toContain("checkpoint-50");
});
