// Scoring in several processes against scoring in this one.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { scoreAll } from "../../../../src/train/reward/scoring/score-all.ts";
import { loadScorer, type Scorer, scorerOf } from "../../../../src/train/reward/scoring/scoring-processes.ts";
import { startTensorflow } from "../../../../src/train/tensorflow/tensorflow.ts";
import { writeTinyFolder } from "../../recipes/pretrain/tiny-folder.ts";

let dir = "";
beforeAll(async () => {
  await startTensorflow();
  dir = await mkdtemp(join(tmpdir(), "scorer-"));
  await writeTinyFolder(dir);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const completions = Array.from({ length: 40 }, (_, i) => ({
  prompt: `What is ${i} + ${i + 1}?`,
  completion: `${i} + ${i + 1} = ${2 * i + 1}\nSo it is ${2 * i + 1}`,
}));

async function scoresOf(scorer: Scorer): Promise<number[]> {
  const scores = new Map<object, number>();
  try {
    await scoreAll(scorer, completions, (part, scored) => {
      part.forEach((completion, i) => {
        scores.set(completion, scored[i]?.score ?? Number.NaN);
      });
    });
  } finally {
    scorer.dispose();
  }
  return completions.map((completion) => scores.get(completion) ?? Number.NaN);
}

describe("two processes", () => {
  test("give the scores that one gives", { timeout: 60_000 }, async () => {
    const alone = await scoresOf(await loadScorer(dir, 1));
    const shared = await scoresOf(await loadScorer(dir, 2));
    expect(new Set(alone).size).toBeGreaterThan(30);
    shared.forEach((score, i) => {
      expect(score).toBeCloseTo(alone[i] ?? Number.NaN, 5);
    });
  });

  test("that cannot load the model say why", { timeout: 60_000 }, async () => {
    await expect(loadScorer(join(dir, "nowhere"), 2)).rejects.toThrow("nowhere");
  });
});

test("what a caller throws ends the scoring: no further part is begun", async () => {
  let parts = 0;
  const scorer = scorerOf({
    score: (of) => of.map(() => ({ stepScores: [0.5], score: 0.5 })),
    dispose: () => {},
  });
  const stop = new Error("stop");
  const many = Array.from({ length: 1000 }, () => ({ prompt: "a", completion: "b" }));
  await expect(
    scoreAll(scorer, many, () => {
      parts++;
      throw stop;
    }),
  ).rejects.toBe(stop);
  expect(parts).toBe(1);
});
