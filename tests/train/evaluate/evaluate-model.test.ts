// A whole evaluation on tiny random models: the result is valid and repeatable, and what cannot be measured is said.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type EvaluateOptions, evaluateModel } from "../../../src/train/evaluate/evaluate-model.ts";
import { resolveOptions } from "../../../src/train/evaluate/options.ts";
import { type EvaluationResult, parseEvaluationResult } from "../../../src/train/evaluate/result.ts";
import { evaluationSummary } from "../../../src/train/evaluate/summary.ts";
import { writeEvaluation } from "../../../src/train/evaluate/write-evaluation.ts";
import { tf } from "../../../src/train/tensorflow/tensorflow.ts";
import { writeTinyFolder } from "../recipes/pretrain/tiny-folder.ts";

let dir: string;
let model: string;
let other: string;
let small: EvaluateOptions;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "evaluate-"));
  [model, other] = [join(dir, "model"), join(dir, "other")];
  await writeTinyFolder(model);
  await writeTinyFolder(other, { seed: 2 });
  small = { model, problems: 3, seeds: [1, 2], samples: 4, maxNewTokens: 10, resamples: 100 };
});
afterAll(() => rm(dir, { recursive: true }));

function timeless(result: EvaluationResult): unknown {
  return { ...result, created: "", seconds: 0 };
}

async function file(name: string, rows: readonly unknown[]): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return path;
}

describe("a model against a baseline, with a reward model, on held-out problems", () => {
  let result: EvaluationResult;
  let tensorsBefore: number;
  let everything: EvaluateOptions;
  beforeAll(async () => {
    everything = { ...small, baseline: other, rewardModel: other };
    await evaluateModel({ ...small, parts: ["preference"] }); // starts the backend
    tensorsBefore = tf.memory().numTensors;
    result = await evaluateModel(everything);
  });

  test("has every part for both, and is valid as it is written and read", async () => {
    const files = await writeEvaluation(join(dir, "out"), result);
    expect(parseEvaluationResult(JSON.parse(await readFile(files.json, "utf8")))).toEqual(result);
    expect(await readFile(files.report, "utf8")).toMatch(/^<!doctype html>/i);
    for (const part of [result.policy, result.preference, result.best_of_n])
      expect(part.map(({ role }) => role)).toEqual(["model", "baseline"]);
    expect(result.judge.map(({ source }) => source)).toEqual(
      expect.arrayContaining(["corrupted", "model", "baseline"]),
    );
    expect(result.data).toMatchObject({ problems: 6, pairs: 6, labelled_solutions: 12 });
    expect(result.best_of_n[0]?.curves[0]?.points.map(({ n }) => n)).toEqual([1, 2, 4]);
    expect(result.comparison.map(({ metric }) => metric)).toEqual(
      expect.arrayContaining([
        "exact_match",
        "step_validity",
        "repetition_rate",
        "preference_accuracy",
        "logps_margin",
      ]),
    );
    expect(result.preference[0]?.implicit).not.toBeNull();
    expect(result.preference[1]?.implicit).toBeNull();
  });

  test("says only of the overlap that it was not measured", () => {
    expect(result.left_out.map(({ part }) => part)).toEqual(["overlap"]);
  });

  test("is the same when it is run again, and frees every tensor", async () => {
    expect(timeless(await evaluateModel(everything))).toEqual(timeless(result));
    expect(tf.memory().numTensors).toBe(tensorsBefore);
  });

  test("its samples stand side by side: gold, before, after", () => {
    const [first] = result.samples;
    expect(first?.solutions.slice(0, 3).map(({ source }) => source)).toEqual(["gold", "baseline", "model"]);
    expect(first?.solutions[0]?.steps.every(({ right, score }) => right === true && score !== null)).toBe(true);
  });

  test("its summary holds the decisive lines", () => {
    const lines = evaluationSummary(result);
    for (const name of ["solved exactly", "steps valid", "step AUC (corrupted)", "majority of 4", "over greedy"])
      expect(lines).toContain(name);
  });
});

test("ProcessBench: the judge alone is measured, no model solves anything", async () => {
  const data = await file("bench.jsonl", [
    { problem: "Tom has 3 apples", steps: ["3 + 1 = 4", "4 + 1 = 6"], label: 1 },
    { problem: "Tom buys 3 apples", steps: ["3 + 1 = 4"], label: -1 },
  ]);
  const result = await evaluateModel({ ...small, data, rewardModel: other, parts: ["judge"] });
  expect(result.judge).toHaveLength(1);
  expect(result.judge[0]).toMatchObject({ source: "data", solutions: 2, steps: 3 });
  expect(result.judge[0]?.process_bench).toMatchObject({ wrong_solutions: 1, right_solutions: 1 });
  expect(result.policy).toEqual([]);
  expect(result.left_out.filter(({ part }) => part !== "overlap")).toEqual([]);
});

test("GSM8K without a reward model: answers are measured, the rest is left out with its reason", async () => {
  const data = await file("gsm8k.jsonl", [{ question: "How many apples has Tom?", answer: "3 + 4 = 7\n#### 7" }]);
  const result = await evaluateModel({ ...small, data, seeds: [1], problems: undefined });
  expect(result.policy[0]).toMatchObject({ exact_match_by: "answer", step_validity: null, first_wrong_step: null });
  expect(result.best_of_n[0]?.curves.map(({ method }) => method)).toEqual(["majority", "oracle"]);
  expect(result.left_out.map(({ part }) => part)).toEqual([
    "overlap",
    "step_validity",
    "preference",
    "judge",
    "best-of-n: naive, weighted",
  ]);
  expect(parseEvaluationResult(JSON.parse(JSON.stringify(result)))).toEqual(result);
});

test("problems that the model's run trained on are refused", async () => {
  const data = await file("trained.jsonl", [{ prompt: "Tom has 3 apples", answer: 3 }]);
  const trained = join(dir, "trained");
  await writeTinyFolder(trained);
  await writeFile(join(trained, "train_config.json"), JSON.stringify({ data }));
  const options = { ...small, model: trained, data };
  await expect(evaluateModel(options)).rejects.toMatchObject({ code: "overlap" });
  const allowed = await evaluateModel({ ...options, parts: ["policy"], allowOverlap: true });
  expect(allowed.data.overlap).toEqual({ training_data: [data], training_prompts: 1, prompts: 1 });
});

test("Ctrl-C ends it as interrupted", async () => {
  await expect(evaluateModel({ ...small, signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "interrupted" });
});

describe("options that cannot be", () => {
  test.each<[Partial<EvaluateOptions>, RegExp]>([
    [{ samples: 0 }, /0 is no whole number of at least 2 \(--samples\).*--only policy preference judge/],
    [{ samples: 1 }, /1 is no whole number of at least 2 \(--samples\)/],
    [
      { samples: 4, bestOf: [1, 8] },
      /best of 8 needs 8 samples a problem, 4 are drawn \(--best-of\)\. Use --samples 8/,
    ],
    [{ problems: 0 }, /0 is no whole number of at least 1 \(--problems\)/],
    [{ data: "mine.jsonl", minSteps: 5 }, /the problems of a file are as they are \(--min-steps\)/],
    [{ seeds: [1, 1] }, /a seed is given twice/],
    [{ temperature: 0 }, /0 is not above 0 \(--temperature\)/],
    [{ topP: 1.5 }, /1.5 is not in \(0, 1\] \(--top-p\)/],
    [{ threshold: 0 }, /0 is not in \(0, 1\] \(--threshold\)/],
    [{ resamples: 10 }, /at least 100 \(--resamples\)/],
  ])("%j", (options, message) => {
    expect(() => resolveOptions({ model: "m", ...options })).toThrow(message);
  });

  test("a sample count does not matter when best-of-N is not asked for", () => {
    expect(() => resolveOptions({ model: "m", samples: 1, parts: ["policy"] })).not.toThrow();
  });

  test("the sizes of best-of-N end at the sample count unless they are given", () => {
    expect(resolveOptions({ model: "m", samples: 5 }).bestOf).toEqual([1, 2, 4]);
  });
});
