// Scores, labels and figures of samples, each followed by hand.

import { expect, test } from "vitest";
import { hardLabels, softLabels } from "../../../../src/train/recipes/rollout/monte-carlo.ts";
import { passAtK } from "../../../../src/train/recipes/rollout/pass-at-k.ts";
import { pairStats, sampleStats } from "../../../../src/train/recipes/rollout/report.ts";
import { checkScorerName, scoreSample } from "../../../../src/train/recipes/rollout/score-rollouts.ts";
import { stepRows } from "../../../../src/train/recipes/rollout/step-rows.ts";
import { isEvalPrompt } from "../../../../src/train/recipes/rollout/write-rollouts.ts";
import { rollout, sample } from "./samples.ts";

test("pass@k is 1 - C(n - right, k) / C(n, k)", () => {
  expect(passAtK(4, 1, 1)).toBeCloseTo(1 / 4, 12);
  expect(passAtK(4, 1, 2)).toBeCloseTo(1 - 3 / 6, 12);
  expect(passAtK(5, 2, 3)).toBeCloseTo(1 - 1 / 10, 12);
  expect(passAtK(4, 0, 4)).toBe(0);
  expect(passAtK(4, 1, 4)).toBe(1);
});

test("each scorer scores the steps by what it knows", () => {
  const wrong = sample("a|b|c", "+-+", { exact: false });
  const judged = [0.9, 0.8, 0.4];
  const scores = (scorer: Parameters<typeof scoreSample>[1]["scorer"]) =>
    scoreSample(wrong, { scorer, aggregation: "mean", judged }).step_scores;
  expect(scores("judge")).toEqual([0.9, 0.8, 0.4]);
  expect(scores("checker")).toEqual([1, 0, 1]);
  expect(scores("both")).toEqual([0.9, 0, 0.4]);
  expect(scores("outcome")).toEqual([0, 0, 0]);
  expect(scoreSample(wrong, { scorer: "judge", aggregation: "min", judged }).score).toBe(0.4);
});

test("a solution that stops before its answer scores below a right one, though its steps are right", () => {
  const early = sample("a|b", "++", { exact: false });
  const scored = scoreSample(early, { scorer: "checker", aggregation: "mean" });
  expect(scored.step_scores).toEqual([1, 1]);
  expect(scored.score).toBeCloseTo(2 / 3, 12);
  expect(scoreSample(sample("a|b", "++"), { scorer: "checker", aggregation: "mean" }).score).toBe(1);
});

test("a sample without steps scores 0", () => {
  expect(scoreSample(sample("", ""), { scorer: "judge", aggregation: "mean" })).toMatchObject({
    step_scores: [],
    score: 0,
  });
});

test("a scorer refuses problems that it knows too little of, and says which would do", () => {
  const problems = [{ prompt: "p1", gold: "1 + 1 = 2\nA: 2" }, { prompt: "p2", answer: "7" }, { prompt: "p3" }];
  expect(() => checkScorerName("judge", problems)).not.toThrow();
  expect(() => checkScorerName("checker", problems)).toThrow(
    /2 of 3 problems have no worked solution.*"p2".*--scorer outcome/,
  );
  expect(() => checkScorerName("outcome", problems)).toThrow(
    /1 of 3 problems have no known answer.*"p3".*--scorer judge/,
  );
});

test("Monte Carlo labels: the share of right continuations after each step, and the outcome after the last", () => {
  const shares: Record<string, number> = { a: 0.75, "a\nb": 0.25 };
  const right = sample("a|b|c", "+-+", { answer_correct: true });
  expect(softLabels(right, (start) => shares[start] ?? 0)).toEqual([0.75, 0.25, 1]);
  expect(softLabels({ ...right, finished: false }, (start) => shares[start] ?? 0)).toEqual([0.75, 0.25, 0]);
  expect(softLabels(sample("", ""), () => 1)).toEqual([]);
  expect(hardLabels([0.75, 0.25, 0])).toEqual([true, true, false]);
});

test("step rows stand once a text, labelled by the source asked for", () => {
  const soft_labels = [0.5, 0];
  const rolled = [rollout([sample("a|b", "+-", { soft_labels }), sample("a|b", "+-"), sample("", "")])];
  const row = { prompt: "How many?", completions: ["a", "b"] };
  expect(stepRows(rolled)).toEqual([{ ...row, labels: [true, false] }]);
  expect(stepRows(rolled, "soft")).toEqual([{ ...row, labels: [0.5, 0] }]);
  const { step_labels: _, ...unchecked } = sample("a|b", "+-", { soft_labels });
  expect(stepRows([rollout([unchecked])])).toEqual([{ ...row, labels: [true, false] }]);
});

test("figures of samples: shares, pass@k, scores of right and wrong, agreement of labels", () => {
  const stats = sampleStats([
    rollout([sample("a|b", "++", { soft_labels: [1, 1] }), sample("a|c", "+-", { soft_labels: [0.5, 0.5] })]),
    rollout([sample("", "", { exact: false }), sample("d|e", "--", { finished: false, soft_labels: [0, 0] })]),
  ]);
  expect(stats).toMatchObject({
    problems: 2,
    samples: 4,
    empty: 1,
    unfinished: 1,
    tokens: 36,
    exact: 1 / 4,
    step_validity: 3 / 6,
    solved: 1 / 2,
    // problem 1: 1 of 2 right, problem 2: none
    pass_at_k: { 1: 1 / 4, 2: 1 / 2 },
    // the right one scores 1; the wrong ones 0.5, 0 and 0
    scores: { mean: 1.5 / 4, right: 1, auc: 1 },
    // of the six steps with both labels only step c differs
    monte_carlo_agreement: 5 / 6,
  });
  expect(stats.scores.wrong).toBeCloseTo(0.5 / 3, 12);
});

test("without known answers the figures are null, not zero", () => {
  const unknown = { completion: "a", step_scores: [0.5], score: 0.5, finished: true, tokens: 2 };
  const stats = sampleStats([rollout([unknown, unknown])]);
  expect(stats).toMatchObject({ exact: null, solved: null, pass_at_k: {}, monte_carlo_agreement: null });
  expect(stats.scores).toEqual({ mean: 0.5, right: null, wrong: null, auc: null });
});

test("figures of pairs count the margins that point the wrong way", () => {
  const pair = (chosen_score: number, rejected_score: number) => {
    return { prompt: "p", chosen: "a", rejected: "b", chosen_score, rejected_score };
  };
  const stats = pairStats({ pairs: [pair(1, 0.5), pair(0.25, 0.5)], without: { x: 3 } });
  expect(stats).toEqual({ pairs: 2, without: { x: 3 }, mean_margin: 0.125, reversed: 1 });
});

test("the prompt alone decides the split, case and white space aside, and the share is kept", () => {
  expect(isEvalPrompt("Tom has  3.", 0.5)).toBe(isEvalPrompt("tom has 3.", 0.5));
  const prompts = Array.from({ length: 2000 }, (_, i) => `Tom has ${i} apples.`);
  const share = prompts.filter((prompt) => isEvalPrompt(prompt, 0.1)).length / prompts.length;
  expect(Math.abs(share - 0.1)).toBeLessThan(0.02);
  expect(prompts.some((prompt) => isEvalPrompt(prompt, 0))).toBe(false);
});
