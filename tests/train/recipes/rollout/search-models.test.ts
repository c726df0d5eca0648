// Step searches on the policy and the reward model that ship: steps that are written one at a time, from prefixes, make the solution that
// is written in one, and are scored as it is.

import { afterAll, beforeAll, expect, test } from "vitest";
import { policyPrompt } from "../../../../src/shared/prompts.ts";
import { runSearches } from "../../../../src/shared/search/run-searches.ts";
import { type StepSearchOptions, stepSearch } from "../../../../src/shared/search/step-search.ts";
import { openOnnxGenerator } from "../../../../src/train/onnx/decode/onnx-generate.ts";
import type { Policy } from "../../../../src/train/recipes/rollout/sample-rollouts.ts";
import { searchModels } from "../../../../src/train/recipes/rollout/search-models.ts";
import { loadRewardModel, type RewardModel } from "../../../../src/train/reward/reward-model.ts";
import { scorerOf } from "../../../../src/train/reward/scoring/scoring-processes.ts";
import { loadConfig } from "../../../../src/train/store/model-config.ts";
import { loadTokenizer } from "../../../../src/train/store/model-folder.ts";
import { startTensorflow } from "../../../../src/train/tensorflow/tensorflow.ts";

const POLICY = "data/models/stepwise-t5-nano";
const PROMPTS = [
  "Mia has 12 apples. Then she gets 7 apples from Tom. How many apples does Mia have now?",
  "Zoe starts with 45 rings. Next she gives 5 rings to Ann. Then she gets 3 rings from Tom. How many rings does Zoe have now?",
];
const OPTIONS: StepSearchOptions = {
  kind: "step_beam",
  width: 1,
  expand: 1,
  depth: 12,
  maxStepTokens: 48,
  budgetTokens: 500,
  aggregation: "mean",
};
const SAMPLED = { doSample: true, temperature: 1, topK: 0, topP: 1 };

let policy: Policy;
let rewardModel: RewardModel;
beforeAll(async () => {
  await startTensorflow();
  policy = {
    generator: await openOnnxGenerator(POLICY, { processes: 1 }),
    tokenizer: await loadTokenizer(POLICY, await loadConfig(POLICY)),
  };
  rewardModel = await loadRewardModel("data/models/stepwise-t5-nano-prm");
}, 60_000);
afterAll(async () => {
  await policy.generator.dispose();
  rewardModel.dispose();
});

test("the likeliest token at every place, step by step, is the greedy solution; its steps score as in the whole", async () => {
  const sampling = { ...SAMPLED, topK: 1 };
  const results = await runSearches(
    PROMPTS.map(() => stepSearch(OPTIONS)),
    searchModels(policy, scorerOf(rewardModel), { prompts: PROMPTS, sampling, seed: 1 }),
  );
  const rows = await policy.generator.generate(
    PROMPTS.map((prompt) => policy.tokenizer.encode(policyPrompt(prompt))),
    { maxNewTokens: 128 },
  );
  const texts = rows.map(([ids = []]) => policy.tokenizer.decode(ids));
  expect(results.map(({ solutions }) => solutions[0]?.text)).toEqual(texts);
  expect(results.map(({ tokens }) => tokens)).toEqual(rows.map(([ids = []]) => ids.length));
  const scored = rewardModel.score(texts.map((completion, at) => ({ prompt: PROMPTS[at] ?? "", completion })));
  results.forEach(({ solutions, rounds }, at) => {
    expect(rounds).toBe(scored[at]?.stepScores.length);
    solutions[0]?.stepScores.forEach((score, step) => {
      expect(score).toBeCloseTo(scored[at]?.stepScores[step] ?? Number.NaN, 5);
    });
  });
}, 60_000);

test("a search beside others draws what it draws alone, by the same seed", async () => {
  const run = (prompts: readonly string[]) =>
    runSearches(
      prompts.map(() => stepSearch({ ...OPTIONS, width: 2, expand: 3 })),
      searchModels(policy, scorerOf(rewardModel), { prompts, sampling: SAMPLED, seed: 9 }),
    );
  const [alone] = await run(PROMPTS.slice(0, 1));
  const [first, second] = await run(PROMPTS);
  expect(first?.solutions.map(({ text }) => text)).toEqual(alone?.solutions.map(({ text }) => text));
  expect(second?.solutions[0]?.text).not.toBe(first?.solutions[0]?.text);
  const scores = first?.solutions.map(({ score }) => score) ?? [];
  expect(scores).toEqual([...scores].sort((a, b) => b - a));
}, 60_000);
