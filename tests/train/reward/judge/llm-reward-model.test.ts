// The reward model's scores against the definition: P(yes) / (P(yes) + P(no)) of the answer to one judge prompt a step.

import { rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { judgePrompt } from "../../../../src/shared/prompts.ts";
import { LLMRewardModel, type LLMRewardModelOptions } from "../../../../src/train/reward/judge/llm-reward-model.ts";
import type { FolderTokenizer, Model } from "../../../../src/train/store/model-folder.ts";
import { tf } from "../../../../src/train/tensorflow/tensorflow.ts";
import { openTinyModel } from "../../recipes/pretrain/tiny-folder.ts";
import { scoreByDefinition } from "./score-by-definition.ts";

let dir = "";
let model: Model;
let tokenizer: FolderTokenizer;
beforeAll(async () => {
  ({ dir, model, tokenizer } = await openTinyModel());
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const prompt = "Tom has 3 apples and buys 4 more. How many?";
const completions = [
  { prompt, completion: "3 + 4 = 7" },
  { prompt, completion: "3 + 4 = 8\n8 - 2 = 6\n\n  Tom has 6 apples " },
  { prompt: "How many apples?", completion: "9 - 2 = 7\n7 + 1 = 8" },
];

const stepScores = (options: LLMRewardModelOptions, of = completions): number[][] =>
  new LLMRewardModel(model, tokenizer, options).score(of).map((scored) => scored.stepScores);

function expectClose(actual: number[][], expected: number[][]): void {
  expect(actual.map((row) => row.length)).toEqual(expected.map((row) => row.length));
  actual.flat().forEach((value, i) => {
    expect(Math.abs(value - (expected.flat()[i] ?? Number.NaN))).toBeLessThan(1e-5);
  });
}

const steps = [["3 + 4 = 7"], ["3 + 4 = 8", "8 - 2 = 6", "Tom has 6 apples"], ["9 - 2 = 7", "7 + 1 = 8"]];

describe("a step's score is P(yes) / (P(yes) + P(no)), computed one step at a time", () => {
  test.each(["prefix", "prompt", "none"] as const)("context %s", (context) => {
    const expected = completions.map((completion, c) => {
      const own = (steps[c] ?? []).map((text) => ({ text }));
      return own.map((_, index) =>
        scoreByDefinition(model, tokenizer, tokenizer.encode(judgePrompt(completion.prompt, own, index, context))),
      );
    });
    expectClose(stepScores({ context }), expected);
    expect(new Set(expected.flat()).size).toBe(6);
  });
});

test("without context a step scores the same in whatever solution it stands", () => {
  const twice = [
    { prompt: "How many?", completion: "1 + 1 = 2\n3 + 4 = 7" },
    { prompt, completion: "3 + 4 = 7" },
  ];
  const [[, second = Number.NaN] = [], [first = Number.NaN] = []] = stepScores({ context: "none" }, twice);
  expect(second).toBeCloseTo(first, 5);
});

test("neither the order of the completions nor the size of the batches changes a score", () => {
  const together = stepScores({});
  expectClose(stepScores({}, [...completions].reverse()).reverse(), together);
  expectClose(stepScores({ maxBatchTokens: 1 }), together);
  expectClose(stepScores({ maxBatchTokens: 100 }), together);
});

test.each([
  ["mean", (s: number[]) => s.reduce((a, b) => a + b, 0) / s.length],
  ["sum", (s: number[]) => s.reduce((a, b) => a + b, 0)],
  ["min", (s: number[]) => Math.min(...s)],
  ["prod", (s: number[]) => s.reduce((a, b) => a * b, 1)],
  ["last", (s: number[]) => s[s.length - 1] ?? Number.NaN],
] as const)("a completion's score is the %s of its steps' scores", (aggregation, of) => {
  for (const { stepScores: own, score } of new LLMRewardModel(model, tokenizer, { aggregation }).score(completions)) {
    expect(score).toBeCloseTo(of(own), 12);
  }
});

test("a judge prompt that is too long loses its beginning, never the step", () => {
  const long = { prompt: "Tom has 3 apples. ".repeat(40).trim(), completion: "3 + 4 = 7" };
  const ids = tokenizer.encode(judgePrompt(long.prompt, [{ text: "3 + 4 = 7" }], 0));
  const [[cut = Number.NaN] = []] = stepScores({ maxPromptTokens: 60 }, [long]);
  expect(cut).toBeCloseTo(scoreByDefinition(model, tokenizer, ids.slice(-60)), 5);
});

test.each(["", " \n \n"])("a completion without steps (%j) is refused, by its place in the list", (completion) => {
  expect(() =>
    stepScores({}, [
      { prompt, completion: "3 + 4 = 7" },
      { prompt, completion },
    ]),
  ).toThrow("a completion has no steps (completion 1). Write one step a line.");
});

test("no completions, no scores", () => {
  expect(stepScores({}, [])).toEqual([]);
});

test("scoring reports its progress in steps and leaves no tensor behind", () => {
  const judge = new LLMRewardModel(model, tokenizer);
  const before = tf.memory().numTensors;
  const progress: number[][] = [];
  judge.score(completions, (...counts) => progress.push(counts));
  expect(progress.at(-1)).toEqual([6, 6]);
  expect(tf.memory().numTensors).toBe(before);
});

test("dispose frees the loaded weights", async () => {
  const before = tf.memory().numTensors;
  const judge = await LLMRewardModel.load(dir);
  expect(tf.memory().numTensors).toBeGreaterThan(before);
  judge.dispose();
  expect(tf.memory().numTensors).toBe(before);
});
