// The scoring and decoding benches on a tiny model: what they count is what was done.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { benchDecode } from "../../../../src/train/checks/speed/decode.ts";
import { benchScore } from "../../../../src/train/checks/speed/score.ts";
import { exportOnnx } from "../../../../src/train/onnx/export/export-onnx.ts";
import { tf } from "../../../../src/train/tensorflow/tensorflow.ts";
import { writeTinyFolder } from "../../recipes/pretrain/tiny-folder.ts";

let dir = "";
let options = { modelDir: "", data: "" };
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "bench-serving-"));
  options = { modelDir: join(dir, "model"), data: join(dir, "pairs.jsonl") };
  await writeTinyFolder(options.modelDir);
  const pair = (a: number): string =>
    JSON.stringify({ prompt: `Tom has ${a} apples`, chosen: `${a} + 1 = ${a + 1}\nA: 3`, rejected: `${a} - 1 = 9` });
  await writeFile(options.data, [3, 4].map(pair).join("\n"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

test("score counts the steps of both sides, and frees the model", async () => {
  const result = await benchScore(options);
  expect(result).toMatchObject({ bench: "score", pairs: 2, steps: 6 });
  expect(result.steps_per_second).toBeCloseTo(6 / result.seconds, 6);
  const before = tf.memory().numTensors;
  expect(await benchScore({ ...options, pairs: 1 })).toMatchObject({ pairs: 1, steps: 3 });
  expect(tf.memory().numTensors).toBe(before);
});

test("decode times our tokens and those of transformers.js", async () => {
  const exportedDir = join(dir, "exported");
  await exportOnnx({ modelDir: options.modelDir, outputDir: exportedDir });
  const result = await benchDecode({ ...options, exportedDir, prompts: 2, tokens: 12, threads: 1 });
  expect(result).toMatchObject({ bench: "decode", threads: 1, prompts: 2, tokens: 12 });
  expect(result.ratio).toBeCloseTo(result.ms_per_token / result.transformers_js_ms_per_token, 9);
});
