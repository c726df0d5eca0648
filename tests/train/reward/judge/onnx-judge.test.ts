// The judge in onnxruntime gives the scores that the judge in TensorFlow gives, whose test has the definition.

import { expect, test } from "vitest";
import { LLMRewardModel } from "../../../../src/train/reward/judge/llm-reward-model.ts";
import { openOnnxJudge } from "../../../../src/train/reward/judge/onnx-judge.ts";
import { startTensorflow } from "../../../../src/train/tensorflow/tensorflow.ts";

const BASE = "data/models/stepwise-t5-nano";
const completions = Array.from({ length: 12 }, (_, i) => ({
  prompt: `Tom has ${i} apples and buys ${i + 1} more. How many?`,
  completion: `${i} + ${i + 1} = ${2 * i + 1}\nTom has ${2 * i + (i % 2)} apples`,
}));

test("scores of every step agree within 1e-5", { timeout: 60_000 }, async () => {
  await startTensorflow();
  const known = await LLMRewardModel.load(BASE);
  const judge = await openOnnxJudge(BASE, 1, { maxBatchTokens: 256 });
  try {
    const expected = known.score(completions).flatMap(({ stepScores }) => stepScores);
    const scored = (await judge.score(completions)).flatMap(({ stepScores }) => stepScores);
    expect(scored).toHaveLength(24);
    scored.forEach((score, i) => {
      expect(Math.abs(score - (expected[i] ?? Number.NaN))).toBeLessThan(1e-5);
    });
    expect(new Set(expected).size).toBeGreaterThan(12);
  } finally {
    known.dispose();
    judge.dispose();
  }
});
