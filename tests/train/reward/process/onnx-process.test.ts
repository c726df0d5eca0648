// The process reward model in onnxruntime gives the scores that the one in TensorFlow gives, whose test has the definition.

import { expect, test } from "vitest";
import { openOnnxProcessRewardModel } from "../../../../src/train/reward/process/onnx-process.ts";
import { ProcessRewardModel } from "../../../../src/train/reward/process/process-reward-model.ts";
import { startTensorflow } from "../../../../src/train/tensorflow/tensorflow.ts";

const MODEL = "data/models/stepwise-t5-nano-prm";
// two solutions of each question, of one to three steps, and one that stands there twice
const solutions = Array.from({ length: 8 }, (_, i) => {
  const prompt = `Tom has ${i} apples and buys ${i + 1} more. How many?`;
  const steps = [`${i} + ${i + 1} = ${2 * i + 1}`, `Tom has ${2 * i + 1} apples`, "#### done"].slice(0, 1 + (i % 3));
  return [
    { prompt, completion: steps.join("\n") },
    { prompt, completion: `${i} + ${i + 1} = ${2 * i + 2}\nTom has ${2 * i} apples` },
  ];
}).flat();
const completions = [...solutions, ...solutions.slice(0, 1)];

test("scores of every step agree within 1e-5, in one batch or in many", { timeout: 60_000 }, async () => {
  await startTensorflow();
  const known = await ProcessRewardModel.load(MODEL);
  const expected = known.score(completions);
  known.dispose();
  const flat = expected.flatMap(({ stepScores }) => stepScores);
  expect(new Set(flat).size).toBeGreaterThan(20);
  for (const maxBatchTokens of [8192, 150]) {
    const model = await openOnnxProcessRewardModel(MODEL, 1, { maxBatchTokens });
    try {
      const scored = await model.score(completions);
      expect(scored.map(({ stepScores }) => stepScores.length)).toEqual(
        expected.map(({ stepScores }) => stepScores.length),
      );
      scored
        .flatMap(({ stepScores }) => stepScores)
        .forEach((score, i) => {
          expect(Math.abs(score - (flat[i] ?? Number.NaN))).toBeLessThan(1e-5);
        });
      scored.forEach(({ score }, i) => {
        expect(Math.abs(score - (expected[i]?.score ?? Number.NaN))).toBeLessThan(1e-5);
      });
    } finally {
      model.dispose();
    }
  }
});
