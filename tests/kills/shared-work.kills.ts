// Evaluation and the reference's log-probs in two processes against one.

import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TokenizedPair } from "../../src/train/data/pairs/tokenize-pairs.ts";
import { resolveTrainConfig } from "../../src/train/recipes/dpo/config.ts";
import { evaluate } from "../../src/train/recipes/dpo/evaluate.ts";
import { referenceLogps, referenceTokenLogps } from "../../src/train/recipes/dpo/reference-logps.ts";
import { startPairGradients } from "../../src/train/recipes/dpo/share-pairs.ts";
import { loadModel, type Model } from "../../src/train/store/model-folder.ts";
import { startTensorflow, tf } from "../../src/train/tensorflow/tensorflow.ts";
import { writeTinyFolder } from "../train/recipes/pretrain/tiny-folder.ts";

let dir = "";
let model: Model;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "shared-work-"));
  await writeTinyFolder(join(dir, "model"));
  await startTensorflow("auto", "float32", 1); // as with --workers: the same threads in every process
  model = await loadModel(join(dir, "model"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const row = (seed: number, length: number): number[] => [
  ...Array.from({ length }, (_, i) => ((i * (7 + Math.floor(seed / 30)) + seed * 11) % 30) + 3),
  1,
];
// 300 completions, 19 batches of the reference: enough for a second process
const pairs: TokenizedPair[] = Array.from({ length: 150 }, (_, i) => ({
  pair: { prompt: "p", chosen: "c", rejected: "r" },
  promptIds: row(i, 3 + (i % 10)),
  chosenIds: row(3 * i, 5 + (i % 3)),
  rejectedIds: row(7 * i + 50, 4 + (i % 4)),
  prefixLength: i % 5 === 0 ? 2 : 0,
}));

let batches = 0;
const options = (cache: string, processes: number, of = model) => ({
  onProgress: (_: number, total: number) => {
    batches = total;
  },
  model: of,
  modelHash: "m".repeat(64),
  cacheDir: join(dir, cache),
  processes,
});

test("the reference's log-probs are the same bits, summed and by token", async () => {
  const alone = await referenceLogps(pairs, options("alone", 1));
  expect(batches).toBe(19);
  const shared = await referenceLogps(pairs, options("shared", 2));
  expect(shared).toEqual(alone);
  expect(new Set(alone.map(({ chosen }) => chosen)).size).toBeGreaterThan(25);
  const byToken = await referenceTokenLogps(pairs, options("alone", 1));
  expect(await referenceTokenLogps(pairs, options("shared", 2))).toEqual(byToken);
  expect((await readdir(join(dir, "shared"))).sort()).toEqual((await readdir(join(dir, "alone"))).sort());
});

test("a second process that cannot load the model ends the work, and says why", async () => {
  const lost = { ...model, dir: join(dir, "nowhere") };
  await expect(referenceLogps(pairs, options("lost", 2, lost))).rejects.toThrow("nowhere");
});

test("a second process evaluates its share, to the same means", async () => {
  const loss = resolveTrainConfig(undefined, { lossType: "sigmoid", referenceFree: true, marginRole: "none" });
  const scored = pairs.slice(0, 45).map((pair) => ({ ...pair, margin: 0 }));
  const p = model.parameters;
  const alone = await evaluate(p, model.config, scored, { loss });
  const parallel = startPairGradients({ processes: 2, config: model.config, trained: p, frozen: {} });
  const before = tf.memory().numTensors;
  let sent = 0;
  try {
    for (let round = 0; round < 2; round++) {
      const shared = await evaluate(p, model.config, scored, {
        loss,
        workers: {
          count: 2,
          begin(others) {
            sent += others.flatMap(({ evaluated }) => evaluated.flat()).length;
            return parallel.begin(p, others);
          },
        },
      });
      expect(Object.keys(shared)).toEqual(Object.keys(alone));
      for (const [name, value] of Object.entries(alone)) expect(shared[name]).toBeCloseTo(value, 4);
    }
  } finally {
    parallel.stop();
  }
  expect(sent / 2).toBeGreaterThan(15);
  expect(sent / 2).toBeLessThan(30);
  expect(tf.memory().numTensors).toBe(before);
});
