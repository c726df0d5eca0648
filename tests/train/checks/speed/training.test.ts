// The training bench does what it says: real steps on the pairs given, with the fields of the baseline.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { benchTraining } from "../../../../src/train/checks/speed/training.ts";
import { tf } from "../../../../src/train/tensorflow/tensorflow.ts";
import { writeTinyFolder } from "../../recipes/pretrain/tiny-folder.ts";

let dir = "";
let options = { modelDir: "", data: "" };
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "bench-training-"));
  options = { modelDir: join(dir, "model"), data: join(dir, "pairs.jsonl") };
  await writeTinyFolder(options.modelDir);
  const pair = (a: number): string =>
    JSON.stringify({ prompt: `Tom has ${a} apples`, chosen: `${a} + 1 = ${a + 1}\nA: 3`, rejected: `${a} - 1 = 9` });
  await writeFile(options.data, [3, 4, 5, 6, 7, 8].map(pair).join("\n"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

test.each(["in-loop", "once", "off"] as const)(
  "rewards %s: every pair is trained on, and nothing stays",
  async (rewards) => {
    await benchTraining({ ...options, steps: 1, rewards });
    const before = tf.memory().numTensors;
    const result = await benchTraining({ ...options, steps: 5, rewards });
    expect(tf.memory().numTensors).toBe(before);
    expect(result).toMatchObject({ bench: "train", rewards, adapter: "none", precision: "float32", steps: 3 });
    expect(result.seconds_per_step_median).toBeGreaterThan(0);
    expect(result.seconds_per_step_median).toBeLessThan(result.seconds_total);
    expect(result.reward_seconds > 0).toBe(rewards === "once");
    expect(result.peak_rss_mb).toBeGreaterThan(10);
  },
);

test("an adapter is trained where one is asked for", async () => {
  const result = await benchTraining({ ...options, steps: 2, rewards: "off", adapter: "lora" });
  expect(result).toMatchObject({ adapter: "lora", steps: 2 });
});

test("a model that is not there is named", async () => {
  await expect(benchTraining({ ...options, modelDir: join(dir, "none") })).rejects.toThrow("there is no such folder");
});
