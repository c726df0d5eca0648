// The scoring bench measures what it says: both ways, the same solutions, one run.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { benchScoring } from "../../../../src/train/checks/speed/scoring.ts";
import { tf } from "../../../../src/train/tensorflow/tensorflow.ts";
import { writeTinyFolder } from "../../recipes/pretrain/tiny-folder.ts";

let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "bench-scoring-"));
  await writeTinyFolder(join(dir, "model"));
  const pair = (a: number): string =>
    JSON.stringify({ prompt: `Tom has ${a} apples`, chosen: `${a} + 1 = ${a + 1}\nA: 3`, rejected: `${a} - 1 = 9` });
  await writeFile(join(dir, "pairs.jsonl"), [pair(3), pair(4), pair(5)].join("\n"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

test("it counts completions and steps, and its figures belong together", async () => {
  const options = { modelDir: join(dir, "model"), data: join(dir, "pairs.jsonl"), pairs: 2, rounds: 1 };
  const result = await benchScoring(options);
  expect(result).toMatchObject({ bench: "scoring", completions: 4, steps: 6 });
  expect(result.one_pass_ms).toBeGreaterThan(0);
  expect(result.speedup).toBeCloseTo(result.step_by_step_ms / result.one_pass_ms, 9);
  expect(result.one_pass_steps_per_second).toBeCloseTo(6000 / result.one_pass_ms, 6);
  const before = tf.memory().numTensors;
  await benchScoring(options);
  expect(tf.memory().numTensors).toBe(before);
});

test("a model that is not there is named", async () => {
  const missing = benchScoring({ modelDir: join(dir, "none"), data: join(dir, "pairs.jsonl") });
  await expect(missing).rejects.toThrow("there is no such folder");
});
