// Step scores are paid for once: the cache survives a kill, and a second run does not load the judge.

import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { LLMRewardModel } from "../../../../src/train/reward/judge/llm-reward-model.ts";
import { openScoreCache } from "../../../../src/train/reward/scoring/score-cache.ts";
import { scorePairs } from "../../../../src/train/reward/scoring/score-pairs.ts";
import { scorerOf } from "../../../../src/train/reward/scoring/scoring-processes.ts";
import { hashModel } from "../../../../src/train/store/hash.ts";
import { startTensorflow } from "../../../../src/train/tensorflow/tensorflow.ts";
import { writeTinyFolder } from "../../recipes/pretrain/tiny-folder.ts";

let dir = "";
let path = "";
let count = 0;
beforeAll(async () => {
  await startTensorflow();
  dir = await mkdtemp(join(tmpdir(), "scores-"));
  await writeTinyFolder(join(dir, "judge"));
});
beforeEach(() => {
  path = join(dir, `cache-${count++}`, "scores.jsonl");
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const one = { prompt: "p", completion: "a" };
const two = { prompt: "p", completion: "b" };

describe("the cache", () => {
  test("gives back what was put in, also after it was opened anew", async () => {
    const cache = await openScoreCache(path, "judge-1");
    expect(cache.get(one)).toBeUndefined();
    await cache.put([{ completion: one, stepScores: [0.25, 0.5] }]);
    expect(cache.get(one)).toEqual([0.25, 0.5]);
    const again = await openScoreCache(path, "judge-1");
    expect([again.get(one), again.get(two)]).toEqual([[0.25, 0.5], undefined]);
  });

  test("of one judge or template knows nothing of another's", async () => {
    await (await openScoreCache(path, "judge-1")).put([{ completion: one, stepScores: [0.25] }]);
    expect((await openScoreCache(path, "judge-2")).get(one)).toBeUndefined();
  });

  test("ignores a half-written last line and writes the next one on a line of its own", async () => {
    await (await openScoreCache(path, "judge-1")).put([{ completion: one, stepScores: [0.25] }]);
    const whole = await readFile(path, "utf8");
    await appendFile(path, whole.slice(0, 40));
    const cache = await openScoreCache(path, "judge-1");
    expect(cache.get(one)).toEqual([0.25]);
    await cache.put([{ completion: two, stepScores: [0.75] }]);
    const again = await openScoreCache(path, "judge-1");
    expect([again.get(one), again.get(two)]).toEqual([[0.25], [0.75]]);
  });
});

describe("a judge's hash", () => {
  test("changes with its weights and its tokenizer, and stays where they stay", async () => {
    const judge = join(dir, "judge");
    const first = await hashModel(judge);
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(await hashModel(judge)).toBe(first);
    await writeTinyFolder(join(dir, "other"), { seed: 2 });
    expect(await hashModel(join(dir, "other"))).not.toBe(first);
    await writeTinyFolder(join(dir, "same"));
    expect(await hashModel(join(dir, "same"))).toBe(first);
    await writeFile(join(dir, "same", "tokenizer.json"), "{}");
    expect(await hashModel(join(dir, "same"))).not.toBe(first);
  });
});

describe("scoring pairs", () => {
  const pairs = [
    { prompt: "How many?", chosen: "3 + 4 = 7", rejected: "3 + 4 = 8\n8 - 1 = 7" },
    { prompt: "How many?", chosen: "1 + 1 = 2", rejected: "1 + 1 = 3" },
  ];
  const run = async (of: Parameters<typeof scorePairs>[0]["pairs"], loads: string[]) =>
    scorePairs({
      pairs: of,
      cache: await openScoreCache(path, "judge"),
      load: async () => {
        loads.push("load");
        return scorerOf(await LLMRewardModel.load(join(dir, "judge")));
      },
      aggregation: "mean",
    });

  test("a second run gives the same scores and does not load the judge", async () => {
    const loads: string[] = [];
    const first = await run(pairs, loads);
    expect(loads).toHaveLength(1);
    expect(await run(pairs, loads)).toEqual(first);
    expect(loads).toHaveLength(1);
    for (const { chosen, rejected } of first)
      expect([chosen, rejected].every((score) => score > 0 && score < 1)).toBe(true);
  });

  test("only what is not in the cache is scored again", async () => {
    const loads: string[] = [];
    await run(pairs.slice(0, 1), loads);
    await run(pairs, loads);
    expect(loads).toHaveLength(2);
    expect((await readFile(path, "utf8")).trimEnd().split("\n")).toHaveLength(4);
  });

  test("given scores are taken as they are, without a judge", async () => {
    const loads: string[] = [];
    const given = pairs.map((pair) => ({ ...pair, chosen_score: 0.9, rejected_score: 0.2 }));
    expect(await run(given, loads)).toEqual([
      { chosen: 0.9, rejected: 0.2 },
      { chosen: 0.9, rejected: 0.2 },
    ]);
    expect(loads).toEqual([]);
  });
});
