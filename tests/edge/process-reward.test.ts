// A process reward model in the engine, on real graphs (onnxruntime-node), held to a reference that decodes every step anew.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createEngine, type Engine } from "../../src/edge/engine/engine.ts";
import type { ScoreOptions } from "../../src/edge/engine/judge.ts";
import { closeModel, loadModel } from "../../src/edge/engine/model.ts";
import { processJob } from "../../src/edge/engine/process-reward.ts";
import { folderStore } from "../../src/serve/folder-store.ts";
import { createNodeRuntime } from "../../src/serve/node-runtime.ts";
import type { Dtype } from "../../src/shared/onnx-names.ts";
import { splitSteps } from "../../src/shared/steps.ts";
import { exportOnnx } from "../../src/train/onnx/export/export-onnx.ts";
import { openReference } from "../runtime/reference.ts";
import { exportTinyModel } from "../runtime/tiny-model.ts";
import { runAlone } from "./run-alone.ts";

const nodeRuntime = createNodeRuntime(1);

const PROMPT = "Tom has 3 apples and gets 4.";
const SOLUTIONS = ["3 + 4 = 7\nSo Tom has 7 apples.\nAnd no more.", "3 + 4 = 8", "3 + 4 = 7\nSo Tom has 7 apples."];

let reward: Awaited<ReturnType<typeof exportTinyModel>>;
let engine: Engine;

function engineOn(dtype: Dtype): Engine {
  const store = folderStore({ reward: reward.dir });
  return createEngine({ store, runtime: nodeRuntime, policy: "reward", reward: "reward", dtype, maxWaiting: 8 });
}

beforeAll(async () => {
  reward = await exportTinyModel("t5-v1.1", { maxSourceTokens: 64, maxTargetTokens: 64, processReward: true });
  engine = engineOn("fp32");
});
afterAll(() => reward.remove());

function asked(solutions: readonly string[], changes: Partial<ScoreOptions> = {}): ScoreOptions {
  const completions = solutions.map((text, i) => ({ field: `completions[${i}]`, steps: splitSteps(text) }));
  return { prompt: PROMPT, completions, aggregation: "mean", context: "prefix", ...changes };
}

const scoresOf = async (scoring: ReturnType<Engine["score"]>): Promise<number[][]> =>
  (await scoring).completions.map(({ steps }) => steps.map(({ score }) => score));

function expectClose(actual: number[][], expected: number[][], tolerance: number): void {
  expect(actual.map((row) => row.length)).toEqual(expected.map((row) => row.length));
  actual.flat().forEach((value, i) => {
    expect(Math.abs(value - (expected.flat()[i] ?? Number.NaN))).toBeLessThan(tolerance);
  });
}

test.each([
  ["fp32", "", 1e-5],
  ["int8", "_quantized", 1e-3],
] as const)("%s: one pass scores the steps as decoding each of them anew does", async (dtype, suffix, tolerance) => {
  const reference = await openReference(reward.dir, suffix);
  const expected = await Promise.all(SOLUTIONS.map((text) => reference.processScores(PROMPT, text)));
  expect(new Set(expected.slice(0, 2).flat()).size).toBe(4);
  expectClose(await scoresOf(engineOn(dtype).score(asked(SOLUTIONS))), expected, tolerance);
});

test("a decoder run in pieces, as a large vocabulary needs, gives the same scores", async () => {
  const model = await loadModel(folderStore({ reward: reward.dir }), "reward", "fp32", nodeRuntime);
  const whole = await scoresOf(runAlone(processJob(model, asked(SOLUTIONS))));
  for (const positions of [1, 7]) {
    const maxLogits = positions * SOLUTIONS.length * model.config.vocabSize;
    expectClose(await scoresOf(runAlone(processJob(model, asked(SOLUTIONS), maxLogits))), whole, 1e-5);
  }
});

test("the low-memory form scores near the full one, in one pass and in pieces", async () => {
  const small = await exportTinyModel("t5-v1.1", { processReward: true });
  try {
    await exportOnnx({ modelDir: small.dir, name: "lean", lean: true });
    const store = folderStore({ reward: small.dir });
    const lean = await loadModel(store, "reward", "int8", nodeRuntime);
    const exact = await loadModel(store, "reward", "fp32", nodeRuntime);
    expect(lean.lean).toBeDefined();
    const whole = await scoresOf(runAlone(processJob(lean, asked(SOLUTIONS))));
    // a small one is not rounded there
    expectClose(whole, await scoresOf(runAlone(processJob(exact, asked(SOLUTIONS)))), 1e-4);
    expectClose(await scoresOf(runAlone(processJob(lean, asked(SOLUTIONS), 5 * lean.config.vocabSize))), whole, 1e-3);
    await closeModel(lean);
    await closeModel(exact);
  } finally {
    await small.remove();
  }
});

test("solutions of several prompts are scored in one request as each by itself", async () => {
  const reference = await openReference(reward.dir, "");
  const prompts = [PROMPT, "Anna has 9 pens.", PROMPT];
  const completions = asked(SOLUTIONS).completions.map((one, at) => ({ ...one, prompt: prompts[at] }));
  const expected = await Promise.all(SOLUTIONS.map((text, at) => reference.processScores(prompts[at] ?? "", text)));
  expectClose(await scoresOf(engine.score(asked([], { completions }))), expected, 1e-5);
  const late = completions.map((one) => ({ ...one, from: one.steps.length - 1 }));
  const lasts = expected.map((scores) => scores.slice(-1));
  expectClose(await scoresOf(engine.score(asked([], { completions: late }))), lasts, 1e-5);
});

test("the score is the aggregate, equal solutions are read once, and tokens are counted once each", async () => {
  const { completions, promptTokens } = await engine.score(asked(["3 + 4 = 8", "3 + 4 = 8"], { aggregation: "min" }));
  expect(completions[1]).toEqual(completions[0]);
  expect(completions[0]?.score).toBe(completions[0]?.steps[0]?.score);
  const { encode } = await openReference(reward.dir, "");
  expect(promptTokens).toBe(encode(PROMPT).length + 1 + encode("3 + 4 = 8").length);
});

test("a line break inside a given step does not end it", async () => {
  const one = { field: "steps", steps: [{ text: "3 + 4\n= 8" }, { text: "So 8" }] };
  const { completions } = await engine.score({ ...asked([]), completions: [one] });
  const [same] = await scoresOf(engine.score(asked(["3 + 4 = 8\nSo 8"])));
  expect(completions[0]?.steps.map(({ score }) => score)).toEqual(same);
});

describe("refused", () => {
  test.each([
    ["a completion without steps", asked(["1", ""]), "completions[1] has no steps"],
    [
      "a prompt over the limit",
      asked(["1"], { prompt: "a".repeat(70) }),
      'prompt has 72 tokens, the limit of model "tiny',
    ],
    ["a completion over the limit", asked(["a".repeat(70)]), "completions[0] has 72 tokens"],
    ["a context", asked(["1"], { context: "none" }), 'context "none" is for a judge'],
  ])("%s", async (_, options, message) => {
    await expect(engine.score(options)).rejects.toThrow(message);
  });

  test("generating with it", async () => {
    const greedy = { doSample: false, temperature: 1, topK: 0, topP: 1 };
    const request = { prompt: PROMPT, sampling: greedy, seed: 0, stop: [], repetitionPenalty: 1, candidates: 1 };
    await expect(engine.generate(request)).rejects.toThrow("it scores, and writes no text");
  });
});
