// What an evaluation reads: final answers, records of every format, the drawing of problems, the overlap with training data.

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { finalAnswer, normaliseAnswer } from "../../../src/shared/final-answer.ts";
import { problemSplit } from "../../../src/train/data/arithmetic/split.ts";
import { readRecord as readAny } from "../../../src/train/data/formats/read-record.ts";
import type { RecordPart } from "../../../src/train/data/problems/items.ts";
import { firstWrongStep } from "../../../src/train/data/problems/items.ts";
import { loadItems } from "../../../src/train/data/problems/load-items.ts";
import { partsOfRecord } from "../../../src/train/data/problems/parts-of-record.ts";
import { checkText } from "../../../src/train/evaluate/check-text.ts";
import { checkOverlap, namedTrainingData, trainingDataOf } from "../../../src/train/evaluate/overlap.ts";

const GOLD = "Tom has 3 + 4 = 7 pens.\nTom has 7 - 2 = 5 pens.\nA: 5";
const WRONG = "Tom has 3 + 4 = 8 pens.\nA: 8";

function readRecord(value: unknown): { format: string; parts: RecordPart[] } {
  const { format, parsed } = readAny(value);
  return { format, parts: partsOfRecord(parsed) };
}

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "evaluate-data-"));
});
afterAll(() => rm(dir, { recursive: true }));

async function file(name: string, rows: readonly unknown[]): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return path;
}

describe("final answers", () => {
  test.each([
    ["She has 48/2 = <<48/2=24>>24.\n#### 1,234", "1234"],
    ["3 + 4 = 7\nA: 7", "7"],
    ["A: 7.", "7"],
    ["We get $x=\\boxed{\\dfrac{1}{2}}$.", "\\frac{1}{2}"],
    ["So the final answer is $1,200.00.", "1200"],
    ["The answer is: 42 %", "42"],
    ["A: 3\nA: 4", "4"],
    ["#### -0", "0"],
  ])("%j states %s", (text, answer) => {
    expect(finalAnswer(text)).toBe(answer);
  });

  test("a text that states none has none, whatever numbers it holds", () => {
    expect(finalAnswer("3 + 4 = 7")).toBeUndefined();
    expect(finalAnswer("")).toBeUndefined();
  });

  test("words are compared without case, numbers by value", () => {
    expect(normaliseAnswer(" Monday. ")).toBe("monday");
    expect(normaliseAnswer("+7.50")).toBe("7.5");
    expect(normaliseAnswer("12,34")).toBe("12,34");
  });
});

describe("records", () => {
  test("a pair with labels: pair, two labelled solutions, and its chosen side as gold", () => {
    const record = { prompt: "p", chosen: GOLD, rejected: WRONG, chosen_labels: [1, 1, 1], rejected_labels: [0, 0] };
    const { format, parts } = readRecord(record);
    expect(format).toBe("pairs");
    expect(parts[0]).toMatchObject({ prompt: "p", gold: GOLD, answer: "5" });
    expect(parts[0]?.labelled?.map(({ labels }) => labels)).toEqual([
      [1, 1, 1],
      [0, 0],
    ]);
  });

  test("the chosen side of a pair without labels is no gold: it may be wrong", () => {
    const { parts } = readRecord({ prompt: "p", chosen: GOLD, rejected: WRONG });
    expect(parts[0]?.gold).toBeUndefined();
    expect(parts[0]?.answer).toBeUndefined();
  });

  test("a step-level pair's sides stand after its prefix", () => {
    const labels = { chosen_labels: [true], rejected_labels: [false] };
    const { parts } = readRecord({ prompt: "p", prefix: "one\ntwo", chosen: "three", rejected: "four", ...labels });
    expect(parts[0]?.labelled?.[1]).toEqual({ steps: ["one", "two", "four"], labels: [1, 1, 0] });
  });

  test("ProcessBench: labels after the first wrong step are not known", () => {
    const { format, parts } = readRecord({ problem: "p", steps: ["a\n\nb", "c", "d"], label: 1 });
    expect(format).toBe("processbench");
    expect(parts[0]?.labelled).toEqual([{ steps: ["a b", "c", "d"], labels: [1, 0, undefined] }]);
    const right = readRecord({ problem: "p", steps: ["a", "b"], label: -1 });
    expect(right.parts[0]?.labelled?.[0]?.labels).toEqual([1, 1]);
  });

  test("GSM8K: the number after ####; its prose is no gold for the checker", () => {
    const { format, parts } = readRecord({ question: "How many?", answer: "1+1=<<1+1=2>>2\n#### 2" });
    expect(format).toBe("gsm8k");
    expect(parts[0]).toMatchObject({ prompt: "How many?", answer: "2" });
    expect(parts[0]?.gold).toBeUndefined();
  });

  test("PRM800K: pairs, labels and the ground truth", () => {
    const step = (text: string, rating: number): object => ({ text, rating, flagged: false });
    const { format, parts } = readRecord({
      question: { problem: "p", ground_truth_answer: "\\$7" },
      label: {
        finish_reason: "solution",
        steps: [
          { completions: [step("good", 1), step("bad", -1)], chosen_completion: 0 },
          { completions: [step("end", 1)], chosen_completion: 0 },
        ],
      },
    });
    expect(format).toBe("prm800k");
    expect(parts[0]).toMatchObject({ prompt: "p", answer: "7" });
    expect(parts[0]?.labelled?.[1]).toEqual({ steps: ["bad"], labels: [0] });
  });

  test("rollouts: samples with labels are labelled solutions, those without steps are not", () => {
    const samples = [
      { completion: WRONG, step_labels: [false, false] },
      { completion: "", step_labels: [] },
    ];
    const { format, parts } = readRecord({ prompt: "p", gold: GOLD, samples });
    expect(format).toBe("rollouts");
    expect(parts[0]?.labelled).toHaveLength(1);
    expect(parts[0]?.gold).toBe(GOLD);
  });

  test.each([
    [{ prompt: 3 }, "bad_field", '"prompt"'],
    [{ problem: "p", steps: ["a"], label: 4 }, "bad_label", '"label": 4 of 1 steps'],
    [{ question: "q", answer: "seven" }, "no_answer", '"answer"'],
    [{ text: "q" }, "unknown_format", '"text"'],
    [[], "not_an_object", "not a JSON object"],
  ])("%j is refused: %s", (value, code, what) => {
    expect(() => readRecord(value)).toThrow(expect.objectContaining({ code, what: expect.stringContaining(what) }));
  });

  test("the first wrong step is not known after an unknown label", () => {
    expect(firstWrongStep([1, 0, undefined])).toBe(1);
    expect(firstWrongStep([1, 1])).toBe(-1);
    expect(firstWrongStep([undefined, 0])).toBeUndefined();
    expect(firstWrongStep([1, undefined])).toBeUndefined();
  });
});

describe("checking a solution", () => {
  const item = { prompt: "p", gold: GOLD, answer: "5", pairs: [], labelled: [] };

  test("with gold, by its steps", () => {
    expect(checkText(item, GOLD)).toMatchObject({ exact: true, answerCorrect: true, answer: "5" });
    const wrong = checkText(item, `${WRONG.split("\n")[0]}\nA: 5`);
    expect(wrong).toMatchObject({ exact: false, answerCorrect: true });
    expect(wrong.steps[0]).toMatchObject({ right: false, reason: "the equation does not hold" });
  });

  test("without gold, by the answer; without either, not at all", () => {
    expect(checkText({ ...item, gold: null }, "#### 5.0")).toMatchObject({ exact: true, answerCorrect: true });
    expect(checkText({ ...item, gold: null, answer: null }, "#### 5")).toMatchObject({
      exact: null,
      answerCorrect: null,
    });
  });

  test("an empty solution and one without an answer are wrong, not left out", () => {
    for (const text of ["", "Tom has 3 + 4 = 7 pens."])
      expect(checkText(item, text)).toMatchObject({ exact: false, answerCorrect: false, answer: undefined });
  });
});

describe("loading", () => {
  test("held-out problems: their split, distinct, the same for a seed, each with a labelled mistake", async () => {
    const loaded = await loadItems({ data: "heldout", problems: 5, seeds: [1, 2] });
    expect(loaded.items).toHaveLength(10);
    expect(loaded.items.every(({ prompt }) => problemSplit(prompt) === "heldout")).toBe(true);
    expect(loaded.bySeed.map(({ indices }) => indices.length)).toEqual([5, 5]);
    expect(loaded.items.every(({ labelled }) => labelled[1]?.labels.includes(0))).toBe(true);
    expect((await loadItems({ data: "heldout", problems: 5, seeds: [1, 2] })).sha256).toBe(loaded.sha256);
    expect((await loadItems({ data: "heldout", problems: 5, seeds: [3, 2] })).sha256).not.toBe(loaded.sha256);
  });

  test("records of one prompt make one problem; bad ones are left out with their place", async () => {
    const data = await file("mixed.jsonl", [
      { prompt: "p", chosen: GOLD, rejected: WRONG },
      { prompt: "p", answer: 5 },
      { prompt: "q", chosen: "same", rejected: "same" },
    ]);
    const loaded = await loadItems({ data, problems: null, seeds: [1] });
    expect(loaded.items).toHaveLength(1);
    expect(loaded.items[0]).toMatchObject({ prompt: "p", answer: "5" });
    expect(loaded.formats).toEqual({ pairs: 1, problems: 1 });
    expect(loaded.dropped).toEqual([
      { where: `${data}:3`, reason: "identical", what: '"chosen" and "rejected" are the same text' },
    ]);
  });

  test("each seed draws its own problems of a file, and together they are in the file's order", async () => {
    const data = await file(
      "many.jsonl",
      Array.from({ length: 20 }, (_, i) => ({ prompt: `p${String(i).padStart(2, "0")}` })),
    );
    const { items, bySeed } = await loadItems({ data, problems: 4, seeds: [1, 2] });
    const [one, two] = bySeed.map(({ indices }) => indices.map((i) => items[i]?.prompt));
    expect(one).toHaveLength(4);
    expect(one).not.toEqual(two);
    expect(items.map(({ prompt }) => prompt)).toEqual([...new Set([...(one ?? []), ...(two ?? [])])].sort());
  });

  test("a file without a usable record names the first bad one", async () => {
    const data = await file("bad.jsonl", [{ prompt: "  " }]);
    await expect(loadItems({ data, problems: null, seeds: [1] })).rejects.toThrow(
      `none of 1 records can be evaluated; the first: the prompt is empty (${data}:1)`,
    );
  });
});

describe("overlap with training data", () => {
  test("is found in columns of other names, in the problems of an online run, and in the samples of its rounds", async () => {
    const dir = await mkdtemp(join(tmpdir(), "overlap-read-"));
    const file = join(dir, "mine.jsonl");
    await writeFile(file, `${JSON.stringify({ ask: "two and two?", good: "4", bad: "5" })}\n`);
    const columns = "prompt=ask,chosen=good,rejected=bad";
    await writeFile(join(dir, "train_config.json"), JSON.stringify({ data: file, columns, format: null }));
    const overlapOf = async (folder: string) =>
      checkOverlap(["Two and  two?"], (await trainingDataOf([folder])).found, true);
    expect(await overlapOf(dir)).toMatchObject({ training_prompts: 1, prompts: 1 });

    const problems = join(dir, "problems.jsonl");
    await writeFile(problems, `${JSON.stringify({ question: "two and two?", answer: "4" })}\n`);
    const online = join(dir, "online");
    const round = join(online, "rounds", "1");
    await mkdir(join(round, "model"), { recursive: true });
    await writeFile(join(online, "online_config.json"), JSON.stringify({ problem_source: problems }));
    expect(await overlapOf(online)).toMatchObject({ training_data: [problems], prompts: 1 });
    await writeFile(join(online, "online_config.json"), JSON.stringify({ problem_source: "preference" }));
    expect(await overlapOf(online)).toMatchObject({ training_data: [], prompts: 0 });

    await writeFile(join(round, "rollouts.jsonl"), `${JSON.stringify({ prompt: "two and two?", samples: [] })}\n`);
    await writeFile(join(round, "model", "train_config.json"), JSON.stringify({ data: round }));
    expect(await overlapOf(join(round, "model"))).toMatchObject({ prompts: 1 });
    await rm(dir, { recursive: true });
  });

  test("is refused whatever the case and white space of the prompt, in any format", async () => {
    const pairs = await file("train.jsonl", [{ prompt: "Two  AND two?", chosen: "a", rejected: "b" }]);
    const prm = await file("prm.jsonl", [{ question: { problem: "three?" }, label: {} }]);
    const shepherd = await file("shepherd.jsonl", [{ input: "five? Step 1: 5 ки", label: "five? Step 1: 5 +" }]);
    const prompts = ["two and two?", "three?", "four?", "five?"];
    const trained = await namedTrainingData([pairs, prm, shepherd]);
    await expect(checkOverlap(prompts, trained, false)).rejects.toThrow(
      /3 of 4 evaluation problems were trained on, the first: "two and two\?".*--allow-overlap/,
    );
    expect(await checkOverlap(prompts, trained, true)).toEqual({
      training_data: [pairs, prm, shepherd],
      training_prompts: 3,
      prompts: 3,
    });
    expect((await checkOverlap(["four?"], await namedTrainingData([dir]), false)).prompts).toBe(0);
  });

  test("the pairs of a model's run are found through its train_config.json", async () => {
    const data = await file("own.jsonl", [{ prompt: "p" }]);
    await writeFile(join(dir, "train_config.json"), JSON.stringify({ data }));
    expect(await trainingDataOf([dir, join(dir, "elsewhere")])).toEqual({
      found: [{ path: data, heldOut: [] }],
      missing: [],
    });
    await rm(data);
    expect(await trainingDataOf([dir])).toEqual({ found: [], missing: [data] });
    await rm(join(dir, "train_config.json"));
  });

  test("the questions that a reward model's run kept for its evaluation do not count as trained on", async () => {
    const train = await file("steps.jsonl", [{ prompt: "p" }, { prompt: "q" }]);
    const evaluation = await file("eval_steps.jsonl", [{ prompt: "Q" }]);
    await writeFile(join(dir, "reward_config.json"), JSON.stringify({ data: [dir], eval_data: null }));
    const { found } = await trainingDataOf([dir]);
    expect(found).toEqual([{ path: train, heldOut: [evaluation] }]);
    expect(await checkOverlap(["q"], found, false)).toMatchObject({ training_prompts: 1, prompts: 0 });
    await expect(checkOverlap(["p"], found, false)).rejects.toMatchObject({ code: "overlap" });
  });

  test("training data that is not there is an error", async () => {
    await expect(namedTrainingData([join(dir, "none")])).rejects.toMatchObject({ code: "data_not_found" });
  });
});
