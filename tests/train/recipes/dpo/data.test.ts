// From a data folder to scored pairs: what is left out and counted, what is refused.

import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { normalizeCompletion, preparePairs } from "../../../../src/train/data/pairs/tokenize-pairs.ts";
import { resolveTrainConfig, type TrainSettings } from "../../../../src/train/recipes/dpo/config.ts";
import { loadTrainingData } from "../../../../src/train/recipes/dpo/data.ts";
import { loadConfig } from "../../../../src/train/store/model-config.ts";
import { type FolderTokenizer, loadTokenizer } from "../../../../src/train/store/model-folder.ts";
import { writeTinyFolder } from "../pretrain/tiny-folder.ts";

let dir = "";
let tokenizer: FolderTokenizer;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "data-"));
  await writeTinyFolder(join(dir, "model"));
  tokenizer = await loadTokenizer(join(dir, "model"), await loadConfig(join(dir, "model")));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const pair = { prompt: "How many apples?", chosen: "3 + 4 = 7", rejected: "3 + 4 = 8" };

describe("preparing pairs", () => {
  const limits = { maxPromptLength: 64, maxCompletionLength: 16 };

  test("tokenizes the prompt and both completions, each ending in EOS", () => {
    const [prepared] = preparePairs([pair], tokenizer, limits).pairs;
    expect(prepared?.promptIds).toEqual(tokenizer.encode("How many apples?"));
    for (const ids of [prepared?.promptIds, prepared?.chosenIds, prepared?.rejectedIds]) expect(ids?.at(-1)).toBe(1);
  });

  test("writes a completion as its steps, one a line, without blank lines or stray spaces", () => {
    expect(normalizeCompletion(" a \n\n b\n")).toBe("a\nb");
  });

  test("leaves out, and counts by reason, what cannot be trained on", () => {
    const { pairs, dropped } = preparePairs(
      [
        pair,
        { ...pair, chosen: " \n " },
        { ...pair, rejected: "3 + 4 = 7\n" },
        { ...pair, prompt: "apples ".repeat(70).trim() },
        { ...pair, rejected: "1 + ".repeat(20).trim() },
      ],
      tokenizer,
      limits,
    );
    expect(pairs).toHaveLength(1);
    expect(dropped).toEqual({
      "a side has no steps": 1,
      "both sides are the same": 1,
      "prompt longer than 64 tokens": 1,
      "completion longer than 16 tokens": 1,
    });
  });
});

describe("step-level pairs", () => {
  const limits = { maxPromptLength: 64, maxCompletionLength: 64 };
  const stepPair = { prompt: "How many?", prefix: "3 + 4 = 7", chosen: "7 - 2 = 5", rejected: "7 - 2 = 4" };

  test("hold prefix and continuation in one row of tokens; the newline between belongs to the prefix", () => {
    const [prepared] = preparePairs([stepPair], tokenizer, limits).pairs;
    expect(prepared?.chosenIds).toEqual(tokenizer.encode("3 + 4 = 7\n7 - 2 = 5"));
    const { prefixLength = 0, chosenIds = [] } = prepared ?? {};
    expect(tokenizer.decode(chosenIds.slice(0, prefixLength))).toBe("3 + 4 = 7\n");
    expect(tokenizer.decode(chosenIds.slice(prefixLength)).trim()).toBe("7 - 2 = 5");
  });

  test("that are unfinished end without EOS, so that nothing is learnt about stopping", () => {
    const [prepared] = preparePairs([{ ...stepPair, unfinished: true }], tokenizer, limits).pairs;
    expect(prepared?.chosenIds).toEqual(tokenizer.encode("3 + 4 = 7\n7 - 2 = 5").slice(0, -1));
    expect(prepared?.rejectedIds.at(-1)).not.toBe(1);
  });
});

describe("training data", () => {
  let count = 0;
  async function load(rows: object[], settings: TrainSettings = {}): ReturnType<typeof loadTrainingData> {
    const data = join(dir, `data-${count++}`);
    await mkdir(data);
    await writeFile(join(data, "train.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    const config = resolveTrainConfig(undefined, { data, ...settings });
    return loadTrainingData(config, tokenizer, join(dir, "model"));
  }
  const scored = (chosen: number, rejected: number, prompt = "How many?"): object => ({
    ...pair,
    prompt,
    chosen_score: chosen,
    rejected_score: rejected,
  });

  test("takes given scores: margins raw by default, and reported", async () => {
    const data = await load([scored(0.9, 0.4), scored(0.3, 0.5, "Tom?"), scored(0.5, 0.5, "has?")]);
    expect(data.train.map(({ margin }) => margin)).toEqual([0.5, expect.closeTo(-0.2, 12), 0]);
    expect(data.margins).toEqual({ count: 3, mean: expect.closeTo(0.1, 12), zero: 1, reversed: 1 });
    expect(data.eval).toEqual([]);
  });

  test("a record that cannot be read is told with its line", async () => {
    const data = join(dir, "broken.jsonl");
    await writeFile(data, `${JSON.stringify(scored(0.9, 0.4))}\n{broken\n`);
    const told: string[] = [];
    const config = resolveTrainConfig(undefined, { data });
    const loaded = await loadTrainingData(config, tokenizer, join(dir, "model"), {
      onBadRecord: (line) => told.push(line),
    });
    expect(loaded.train).toHaveLength(1);
    expect(told).toEqual([
      expect.stringMatching(/^left out: .*broken\.jsonl:2: the line is not JSON/),
      "mend     broken_json: write one whole JSON object on each line, as json.dumps does",
    ]);
  });

  test("in mode skip leaves out zero and reversed margins, counted, but reports all margins", async () => {
    const data = await load([scored(0.9, 0.4), scored(0.3, 0.5, "Tom?")], { marginMode: "skip" });
    expect(data.train).toHaveLength(1);
    expect(data.dropped).toEqual({ "margin not positive (margin_mode skip)": 1 });
    expect(data.margins?.reversed).toBe(1);
  });

  test("is refused when mode skip leaves nothing, or the limits do", async () => {
    await expect(load([scored(0.3, 0.5)], { marginMode: "skip" })).rejects.toThrow(
      /margin_mode skip left no pair .*data-\d/,
    );
    await expect(load([scored(0.9, 0.4)], { maxPromptLength: 2 })).rejects.toThrow(
      /no pair is left to train on; left out: \{"prompt longer than 2 tokens":1\} \(.*data-\d+\)\. Check the file, or raise/,
    );
  });

  test("has a hash that changes with the pairs and with their margins", async () => {
    const hashes = [
      (await load([scored(0.9, 0.4)])).hash,
      (await load([scored(0.9, 0.4)])).hash,
      (await load([scored(0.9, 0.5)])).hash,
      (await load([scored(0.9, 0.4, "Tom?")])).hash,
    ];
    expect(hashes[1]).toBe(hashes[0]);
    expect(new Set(hashes).size).toBe(3);
  });
});

test("scores are kept beside the data, and in the run's folder where that cannot be written", async () => {
  const data = join(dir, "read-only");
  await mkdir(data);
  await writeFile(join(data, "train.jsonl"), `${JSON.stringify({ ...pair, chosen_score: 1, rejected_score: 0 })}\n`);
  const load = async (name: string) => {
    const outputDir = join(dir, name);
    const config = resolveTrainConfig(undefined, { model: join(dir, "model"), data, outputDir });
    const { train } = await loadTrainingData(config, tokenizer, join(dir, "model"));
    return [train.length, existsSync(join(outputDir, ".step-scores"))];
  };
  // a file in the folder's place: as on a disk that cannot be written, even for root
  await writeFile(join(data, ".step-scores"), "");
  expect(await load("out-1")).toEqual([1, true]);
  await rm(join(data, ".step-scores"));
  expect(await load("out-2")).toEqual([1, false]);
  expect(existsSync(join(data, ".step-scores"))).toBe(true);
});
