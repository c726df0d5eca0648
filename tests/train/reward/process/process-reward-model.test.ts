// The process reward model's scores against their definition: the chance of "yes" against "no" as the next token after the solution
// up to each step's end, computed one step at a time from log-probabilities; and which kind of reward model a folder is.

import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { padRows } from "../../../../src/train/model/batch.ts";
import { completionLogps } from "../../../../src/train/model/logps.ts";
import { LLMRewardModel } from "../../../../src/train/reward/judge/llm-reward-model.ts";
import {
  ProcessRewardModel,
  type ProcessRewardModelOptions,
} from "../../../../src/train/reward/process/process-reward-model.ts";
import { loadRewardModel, rewardModelKey } from "../../../../src/train/reward/reward-model.ts";
import type { FolderTokenizer, Model } from "../../../../src/train/store/model-folder.ts";
import { tf } from "../../../../src/train/tensorflow/tensorflow.ts";
import { openTinyModel } from "../../recipes/pretrain/tiny-folder.ts";

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
  { prompt: "How many apples?", completion: "9 - 2 = 7\n7 + 1 = 8" },
  { prompt, completion: "3 + 4 = 8\n8 - 2 = 6\n\n  Tom has 6 apples " },
  { prompt, completion: "3 + 4 = 7" },
];
const texts = ["3 + 4 = 7", "9 - 2 = 7\n7 + 1 = 8", "3 + 4 = 8\n8 - 2 = 6\nTom has 6 apples", "3 + 4 = 7"];

/** One forward pass a step, over the solution up to that step's end: "\n", or "</s>" after the last. */
function scoresByDefinition(question: string, solution: string): number[] {
  const ids = tokenizer.encode(solution);
  const newline = tokenizer.encode("\n")[0] ?? Number.NaN;
  const ends = ids.flatMap((id, at) => (id === newline || at === ids.length - 1 ? [at] : []));
  const logp = (label: number, end: number): number =>
    tf.tidy(() => {
      const labels = [...ids.slice(0, end + 1), label];
      const prompts = padRows([tokenizer.encode(question)], 0);
      const { tokenLogps } = completionLogps(model.parameters, model.config, { prompts, labels: [labels] });
      return tokenLogps.dataSync().at(-1) ?? Number.NaN;
    });
  return ends.map((end) => {
    const [yes, no] = [Math.exp(logp(tokenizer.yesTokenId, end)), Math.exp(logp(tokenizer.noTokenId, end))];
    return yes / (yes + no);
  });
}

const stepScores = (options: ProcessRewardModelOptions = {}, of = completions): number[][] =>
  new ProcessRewardModel(model, tokenizer, options).score(of).map((scored) => scored.stepScores);

function expectClose(actual: number[][], expected: number[][]): void {
  expect(actual.map((row) => row.length)).toEqual(expected.map((row) => row.length));
  actual.flat().forEach((value, i) => {
    expect(Math.abs(value - (expected.flat()[i] ?? Number.NaN))).toBeLessThan(1e-5);
  });
}

test("one pass gives each step the score that it has when it is the last thing read", () => {
  const expected = completions.map(({ prompt: question }, i) => scoresByDefinition(question, texts[i] ?? ""));
  expect(expected.map((row) => row.length)).toEqual([1, 2, 3, 1]);
  expectClose(stepScores(), expected);
  expect(new Set(expected.slice(0, 3).flat()).size).toBe(6);
});

test("neither the order of the solutions nor the size of the batches changes a score", () => {
  const together = stepScores();
  expectClose(stepScores({}, [...completions].reverse()).reverse(), together);
  expectClose(stepScores({ maxBatchTokens: 1 }), together);
  expectClose(stepScores({ maxBatchTokens: 120 }), together);
});

test("a step's score does not depend on what comes after it", () => {
  const [[first = Number.NaN] = []] = stepScores({}, [{ prompt, completion: "3 + 4 = 7\n7 + 1 = 8" }]);
  const [[again = Number.NaN] = []] = stepScores({}, [{ prompt, completion: "3 + 4 = 7\n2 + 2 = 4\n1 + 1 = 2" }]);
  expect(again).toBeCloseTo(first, 6);
});

test.each([
  ["mean", (s: number[]) => s.reduce((a, b) => a + b, 0) / s.length],
  ["min", (s: number[]) => Math.min(...s)],
  ["prod", (s: number[]) => s.reduce((a, b) => a * b, 1)],
] as const)("a completion's score is the %s of its steps' scores", (aggregation, of) => {
  for (const { stepScores: own, score } of new ProcessRewardModel(model, tokenizer, { aggregation }).score(
    completions,
  )) {
    expect(score).toBeCloseTo(of(own), 12);
  }
});

test.each(["", " \n \n"])("a completion without steps (%j) is refused, by its place in the list", (completion) => {
  expect(() =>
    stepScores({}, [
      { prompt, completion: "3 + 4 = 7" },
      { prompt, completion },
    ]),
  ).toThrow("a completion has no steps (completion 1). Write one step a line.");
});

test("scoring reports its progress in distinct solutions and leaves no tensor behind", () => {
  const reward = new ProcessRewardModel(model, tokenizer);
  const before = tf.memory().numTensors;
  const progress: number[][] = [];
  reward.score(completions, (...counts) => progress.push(counts));
  expect(progress.at(-1)).toEqual([3, 3]);
  expect(tf.memory().numTensors).toBe(before);
  expect(reward.score([])).toEqual([]);
});

describe("the folder says which reward model it is", () => {
  const file = () => join(dir, "reward_model.json");
  afterEach(() => rm(file(), { force: true }));

  async function kindOf(): Promise<unknown> {
    const loaded = await loadRewardModel(dir);
    loaded.dispose();
    return loaded.constructor;
  }

  test("without reward_model.json it is a zero-shot judge, with one a process reward model", async () => {
    expect(await kindOf()).toBe(LLMRewardModel);
    await writeFile(file(), '{"type": "process", "template_version": "stepwise-1"}');
    expect(await kindOf()).toBe(ProcessRewardModel);
  });

  test("scores kept for one kind are not taken for the other's", async () => {
    const judge = await rewardModelKey(dir);
    await writeFile(file(), '{"type": "process", "template_version": "stepwise-1"}');
    expect(await rewardModelKey(dir)).not.toBe(judge);
    expect(await rewardModelKey(dir)).toContain("process/");
  });

  test.each([
    ['{"type": "outcome", "template_version": "stepwise-1"}', 'field "type"'],
    ['{"type": "process", "template_version": "stepwise-0"}', 'field "template_version"'],
    ["{", "reward_model.json is not JSON"],
  ])("%s is refused", async (content, message) => {
    await writeFile(file(), content);
    await expect(loadRewardModel(dir)).rejects.toThrow(message);
  });

  test("a process reward model cannot be asked with a judge's narrower context", async () => {
    await writeFile(file(), '{"type": "process", "template_version": "stepwise-1"}');
    await expect(loadRewardModel(dir, { context: "prompt" })).rejects.toThrow('cannot be asked with context "prompt"');
  });
});
