// Steps written again on the policy that ships: what is kept scores well, what scores well at once is a plain sample.

import { afterAll, beforeAll, expect, test } from "vitest";
import { NEXT_STEP } from "../../../../src/shared/process-reward.ts";
import { splitSteps } from "../../../../src/shared/steps.ts";
import { openOnnxGenerator } from "../../../../src/train/onnx/decode/onnx-generate.ts";
import { checkerReward } from "../../../../src/train/recipes/rollout/checker-reward.ts";
import { startStream } from "../../../../src/train/recipes/rollout/continuations.ts";
import { drawProblems } from "../../../../src/train/recipes/rollout/problems.ts";
import { tokensOf } from "../../../../src/train/recipes/rollout/rollout.ts";
import { type Policy, sampleRollouts } from "../../../../src/train/recipes/rollout/sample-rollouts.ts";
import { retryRollouts } from "../../../../src/train/recipes/rollout/step-retry.ts";
import type { Scorer } from "../../../../src/train/reward/scoring/scoring-processes.ts";
import { loadConfig } from "../../../../src/train/store/model-config.ts";
import { loadTokenizer } from "../../../../src/train/store/model-folder.ts";

const POLICY = "data/models/stepwise-t5-nano";
const PROBLEMS = drawProblems(12, 5);
const OPTIONS = {
  samples: 1,
  tries: 7,
  threshold: 0.5,
  maxNewTokens: 96,
  seed: 3,
  sampling: { doSample: true, temperature: 1, topK: 0, topP: 1 },
};

let policy: Policy;
beforeAll(async () => {
  policy = {
    generator: await openOnnxGenerator(POLICY, { processes: 1 }),
    tokenizer: await loadTokenizer(POLICY, await loadConfig(POLICY)),
  };
}, 60_000);
afterAll(async () => {
  await policy.generator.dispose();
});

/** Scores every step the same. */
const always = (score: number): Scorer => ({
  processes: 1,
  isProcess: false,
  score: async (completions) =>
    completions.map(({ completion }) => ({ stepScores: splitSteps(completion).map(() => score), score })),
  dispose: () => {},
});

test("only right steps are kept, and more problems are solved than by a sample each", async () => {
  const retried = await retryRollouts(policy, PROBLEMS, checkerReward(PROBLEMS), OPTIONS);
  const samples = retried.flatMap(({ samples: own }) => own);
  for (const { step_labels, finished, exact } of samples) {
    expect(step_labels?.every(Boolean)).toBe(true);
    expect(exact).toBe(finished);
  }
  const plain = await sampleRollouts(policy, PROBLEMS, OPTIONS);
  const solved = (rollouts: typeof plain): number =>
    rollouts.filter(({ samples: own }) => own.some(({ exact }) => exact)).length;
  expect(solved(retried)).toBeGreaterThan(solved(plain));
}, 60_000);

test("where every step scores well, it is a plain sample, and costs what that costs", async () => {
  const retried = await retryRollouts(policy, PROBLEMS, always(0.5), OPTIONS);
  const streams = PROBLEMS.map((_, i) => startStream(i, 0));
  const plain = await sampleRollouts(policy, PROBLEMS, { ...OPTIONS, streams });
  const ended = plain.map(({ samples }) => samples[0]?.finished === true);
  expect(ended.filter(Boolean).length).toBeGreaterThan(6);
  retried.forEach((rollout, i) => {
    if (!ended[i]) return;
    expect(rollout.samples[0]?.completion).toBe(plain[i]?.samples[0]?.completion);
    expect(tokensOf(rollout)).toBe(plain[i]?.samples[0]?.tokens);
  });
}, 60_000);

test("the threshold says what scores well, and of several good tries the best is taken", async () => {
  // every new text of a first step scores higher than those before it: 0.1, 0.2, ...
  const texts: string[] = [];
  const groups: string[][] = [];
  const scorer: Scorer = {
    ...always(0),
    score: async (completions) => {
      const firsts = completions.map(({ completion }) => splitSteps(completion)[0]?.text ?? "");
      for (const first of firsts) if (!texts.includes(first)) texts.push(first);
      groups.push(firsts);
      return completions.map(({ completion }, i) => {
        const score = 0.1 * (texts.indexOf(firsts[i] ?? "") + 1);
        return { stepScores: splitSteps(completion).map((_, k) => (k === 0 ? score : 0)), score };
      });
    },
  };
  const options = { ...OPTIONS, tries: 63, sampling: { ...OPTIONS.sampling, temperature: 1.5 } };
  const firstStep = async (threshold: number): Promise<string | undefined> => {
    texts.length = 0;
    groups.length = 0;
    const [rollout] = await retryRollouts(policy, PROBLEMS.slice(0, 1), scorer, { ...options, threshold });
    return rollout?.samples[0]?.completion.split("\n")[0];
  };
  expect(await firstStep(0.1)).toBe(groups[0]?.[0]);
  const kept = await firstStep(0.2);
  const good = groups.find((group) => group.some((text) => texts.indexOf(text) >= 1)) ?? [];
  expect(good.length).toBeGreaterThan(0);
  expect(kept).toBe(texts[Math.max(...good.map((text) => texts.indexOf(text)))]);
}, 60_000);

test("where no step scores well, nothing is kept, and all tries are counted", async () => {
  const options = { ...OPTIONS, sampling: { ...OPTIONS.sampling, topK: 1 } };
  const retried = await retryRollouts(policy, PROBLEMS.slice(0, 3), always(0.49), options);
  const [first] = await sampleRollouts(policy, PROBLEMS.slice(0, 1), options);
  const { completion = "", tokens = 0 } = first?.samples[0] ?? {};
  const step = policy.tokenizer.encode(`${completion.split("\n")[0]}\n`).length - 1;
  expect(retried.map(({ samples }) => samples)).toEqual([[], [], []]);
  // always the likeliest token: one whole solution, then six times its first step with the newline
  expect(retried[0]?.extra_tokens).toBe(tokens + 6 * step);
}, 60_000);

test("a process reward model is told where a solution goes on, and its score of that is no step's", async () => {
  const asked: string[] = [];
  const scorer: Scorer = {
    processes: 1,
    isProcess: true,
    // all steps are good but for the last line, whatever it is
    score: async (completions) =>
      completions.map(({ completion }) => {
        asked.push(completion);
        const steps = splitSteps(completion);
        return { stepScores: steps.map((_, k) => (k === steps.length - 1 ? 0 : 1)), score: 0 };
      }),
    dispose: () => {},
  };
  const [rollout] = await retryRollouts(policy, PROBLEMS.slice(0, 1), scorer, OPTIONS);
  // the first try is a whole solution, whose last line is bad; the tries of that line are steps like others when they do not end it
  const [whole = "", ...begun] = asked;
  expect(whole.endsWith(NEXT_STEP.text)).toBe(false);
  for (const text of begun)
    expect(text.endsWith(NEXT_STEP.text)).toBe(!/^A\s*:/.test(splitSteps(text).at(-1)?.text ?? ""));
  expect(rollout?.samples[0]?.completion.split("\n")).toEqual(whole.split("\n").slice(0, -1));
}, 60_000);

test("a problem beside others is solved as it is alone", async () => {
  const reward = checkerReward(PROBLEMS);
  const [, , alone] = await retryRollouts(policy, PROBLEMS.slice(0, 3), reward, { ...OPTIONS, samples: 2 });
  const [among] = await retryRollouts(policy, PROBLEMS.slice(2, 9), reward, {
    ...OPTIONS,
    samples: 2,
    streams: [2, 3, 4, 5, 6, 7, 8],
  });
  expect(among).toEqual(alone);
}, 60_000);
