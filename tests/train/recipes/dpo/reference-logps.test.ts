// The reference's log-probs: right, computed once, kept on disk, and the same bits after an interruption.

import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TokenizedPair } from "../../../../src/train/data/pairs/tokenize-pairs.ts";
import { padRows } from "../../../../src/train/model/batch.ts";
import { completionLogps } from "../../../../src/train/model/logps.ts";
import { referenceLogps } from "../../../../src/train/recipes/dpo/reference-logps.ts";
import { hashModel } from "../../../../src/train/store/hash.ts";
import { loadModel, type Model } from "../../../../src/train/store/model-folder.ts";
import { startTensorflow, tf } from "../../../../src/train/tensorflow/tensorflow.ts";
import { writeTinyFolder } from "../pretrain/tiny-folder.ts";

let dir = "";
let model: Model;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "reference-"));
  await writeTinyFolder(join(dir, "model"));
  await startTensorflow();
  model = await loadModel(join(dir, "model"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const row = (seed: number, length: number): number[] => [
  ...Array.from({ length }, (_, i) => ((i * 7 + seed * 11) % 30) + 3),
  1,
];
// 40 completions in 3 batches; pairs 0 and 10 share a chosen side, the last has a prefix
const pairs: TokenizedPair[] = Array.from({ length: 20 }, (_, i) => ({
  pair: { prompt: "p", chosen: "c", rejected: "r" },
  promptIds: row(i % 10, 3 + (i % 10)),
  chosenIds: row(i % 10, 5 + (i % 3)),
  rejectedIds: row(i + 50, 4 + (i % 4)),
  prefixLength: i === 19 ? 2 : 0,
}));

const compute = (cache: string, changes: object = {}) =>
  referenceLogps(pairs, { model, modelHash: "m".repeat(64), cacheDir: join(dir, cache), ...changes });

test("are sums over the tokens of each completion alone, from its prefix on", async () => {
  const logps = await compute("right");
  pairs.forEach((pair, i) => {
    for (const side of ["chosen", "rejected"] as const) {
      const tokens = tf.tidy(() => [
        ...completionLogps(model.parameters, model.config, {
          prompts: padRows([pair.promptIds], 0),
          labels: [pair[`${side}Ids`]],
        }).tokenLogps.dataSync(),
      ]);
      const expected = tokens.slice(pair.prefixLength).reduce((sum, value) => sum + value, 0);
      expect(logps[i]?.[side]).toBeCloseTo(expected, 3);
    }
  });
});

test("are computed once: a second call reads them all, under the model's own file", async () => {
  const first = await compute("once");
  let passes = 0;
  const second = await compute("once", { onProgress: () => passes++ });
  expect(second).toEqual(first);
  expect(passes).toBe(0);
  expect(await readdir(join(dir, "once"))).toEqual([`${"m".repeat(16)}.jsonl`]);
  await compute("once", { modelHash: "n".repeat(64), onProgress: () => passes++ });
  expect(passes).toBeGreaterThan(0);
});

test("stopped after one batch, and with a line cut in half, they are the same bits as computed at once", async () => {
  const straight = await compute("straight");
  const controller = new AbortController();
  const stopped = compute("stopped", { signal: controller.signal, onProgress: () => controller.abort() });
  await expect(stopped).rejects.toThrow(/abort/i);
  const path = join(dir, "stopped", `${"m".repeat(16)}.jsonl`);
  const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
  expect(lines).toHaveLength(16);
  await writeFile(path, lines.slice(0, 9).join("\n"));
  await appendFile(path, '\n{"key":"cut","lo');
  expect(await compute("stopped")).toEqual(straight);
});

test("leave no tensors behind", async () => {
  const before = tf.memory().numTensors;
  await compute("memory");
  expect(tf.memory().numTensors).toBe(before);
});

test("belong to a model's weights: another weight is another hash", async () => {
  await writeTinyFolder(join(dir, "other"), { seed: 2 });
  await writeTinyFolder(join(dir, "same"));
  expect(await hashModel(join(dir, "same"))).toBe(await hashModel(join(dir, "model")));
  expect(await hashModel(join(dir, "other"))).not.toBe(await hashModel(join(dir, "model")));
});
