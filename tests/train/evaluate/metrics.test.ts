// Figures of policies, judges and best-of-N from small cases, derived by hand.

import { describe, expect, test } from "vitest";
import type { EvaluationItem } from "../../../src/train/data/problems/items.ts";
import { checkText } from "../../../src/train/evaluate/check-text.ts";
import { bestOfCurves, type SampledItem } from "../../../src/train/evaluate/metrics/best-of-n-metrics.ts";
import { columnOf, createResampler } from "../../../src/train/evaluate/metrics/bootstrap.ts";
import { compareColumns } from "../../../src/train/evaluate/metrics/compare.ts";
import { judgeMetrics } from "../../../src/train/evaluate/metrics/judge-metrics.ts";
import { pairScoreMetrics } from "../../../src/train/evaluate/metrics/pair-score-metrics.ts";
import { policyColumns, policyMetrics } from "../../../src/train/evaluate/metrics/policy-metrics.ts";
import { preferenceColumns, preferenceMetrics } from "../../../src/train/evaluate/preference-metrics.ts";
import type { BestOfMethod } from "../../../src/train/evaluate/result.ts";
import { NO_SCORES } from "../../../src/train/evaluate/step-scores.ts";

const GOLD = "Tom has 3 + 4 = 7 pens.\nTom has 7 - 2 = 5 pens.\nA: 5";
const known: EvaluationItem = { prompt: "p", gold: GOLD, answer: "5", pairs: [], labelled: [] };
const resampler = createResampler(4, { resamples: 200 });

describe("policy figures", () => {
  const texts = [GOLD, "Tom has 3 + 4 = 8 pens.\nA: 5", "", "Tom has 3 + 4 = 7 pens.\nTom has 3 + 4 = 7 pens."];
  const items = texts.map(() => known);
  const greedy = texts.map((text, i) => ({ text, tokens: 10 * i, finished: i !== 3 }));
  const solved = { role: "model" as const, items, greedy, checked: texts.map((text) => checkText(known, text)) };
  const columns = policyColumns(solved, NO_SCORES);
  const metrics = policyMetrics(solved, columns, resampler, [{ seed: 7, indices: [0, 1] }]);

  test("one of four is solved exactly, two have the right answer", () => {
    expect(metrics).toMatchObject({
      exact_match_by: "steps",
      exact_match: { value: 0.25 },
      answer_accuracy: { value: 0.5 },
    });
  });
  test("steps valid: 3 of 3, 0 of 2 (an answer after missing steps), 0 of 1 for the empty one, 1 of 2", () => {
    expect(metrics.step_validity?.value).toBeCloseTo(4 / 8, 12);
  });
  test("first wrong steps: one at 0, one at 1, one solution without, one empty", () => {
    expect(metrics.first_wrong_step).toEqual({ counts: [1, 1], none: 1, empty: 1 });
  });
  test("what is missing is counted, not dropped", () => {
    expect(metrics.counts).toEqual({ empty: 1, no_steps: 1, no_answer: 2, unfinished: 1 });
  });
  test("length and repetition: 15 tokens, 7 / 4 steps, one line of two repeated in one of four", () => {
    expect(metrics.length.tokens.value).toBe(15);
    expect(metrics.length.steps.value).toBe(7 / 4);
    expect(metrics.length.steps_histogram.counts).toEqual([1, 0, 2, 1]);
    expect(metrics.repetition_rate.value).toBe(0.125);
  });
  test("figures of one seed are over its problems alone", () => {
    expect(metrics.by_seed).toEqual([
      { seed: 7, problems: 2, exact_match: 0.5, answer_accuracy: 1, step_validity: 3 / 5 },
    ]);
  });
  test("without a reward model there is no score; with one, solutions without steps have none", () => {
    expect(metrics.reward_score).toBeNull();
    const scored = policyColumns(solved, (_, text) => (text === "" ? [] : [0.2, 0.6]));
    expect(scored.reward_score.counts).toEqual([1, 1, 0, 1]);
    expect(scored.reward_min.sums).toEqual([0.2, 0.2, 0, 0.2]);
  });
});

describe("judge figures", () => {
  const solutions = [
    { unit: 0, scores: [0.9, 0.8], labels: [1, 1] },
    { unit: 1, scores: [0.7, 0.3, 0.6], labels: [1, 0, 0] },
    { unit: 2, scores: [0.4, 0.1], labels: [0, undefined] },
  ];
  const metrics = judgeMetrics("data", solutions, { size: 4, resampler, threshold: 0.5 });

  test("steps of unknown label are left out of all figures over steps", () => {
    expect(metrics).toMatchObject({ solutions: 3, steps: 6, right_steps: 0.5 });
  });
  test("every right step outscores every wrong one", () => {
    expect(metrics?.auc?.value).toBe(1);
    expect(metrics?.first_error_auc?.value).toBe(1);
  });
  test("accuracy at 0.5: five of six (0.6 is wrong)", () => {
    expect(metrics?.accuracy.value).toBeCloseTo(5 / 6, 12);
  });
  test("every step alone in its bin: ECE is the mean distance 2/6 + ... = (0.1+0.2+0.3+0.3+0.6+0.4)/6", () => {
    expect(metrics?.ece.value).toBeCloseTo(1.9 / 6, 9);
    expect(metrics?.brier.value).toBeCloseTo((0.01 + 0.04 + 0.09 + 0.09 + 0.36 + 0.16) / 6, 9);
  });
  test("at the given threshold both first errors are found and the right solution is let pass", () => {
    expect(metrics?.process_bench).toMatchObject({
      threshold_choice: "fixed",
      threshold: 0.5,
      wrong_solutions: 2,
      right_solutions: 1,
      f1: { value: 1 },
    });
    expect(metrics?.process_bench?.curve.at(-1)).toMatchObject({ wrong_accuracy: 0.5, right_accuracy: 0 });
  });
  test("a threshold chosen on one half of the problems is measured on the other", () => {
    // even problems want a threshold in (0.2, 0.9], odd ones in (0.6, 0.7]
    const halves = [
      { unit: 0, scores: [0.9], labels: [1] },
      { unit: 2, scores: [0.2], labels: [0] },
      { unit: 1, scores: [0.7], labels: [1] },
      { unit: 3, scores: [0.6], labels: [0] },
    ];
    const chosen = judgeMetrics("data", halves, { size: 4, resampler, threshold: null })?.process_bench;
    expect(chosen).toMatchObject({ threshold_choice: "cross_fitted" });
    // the lowest best threshold of the even half (just above 0.2) misses the wrong one of 0.6 in the odd half
    expect(chosen?.wrong_accuracy.value).toBe(0.5);
    expect(chosen?.right_accuracy.value).toBe(1);
  });
  test("one class alone has no AUC, and right solutions alone no F1", () => {
    const alone = judgeMetrics("data", solutions.slice(0, 1), { size: 4, resampler, threshold: null });
    expect(alone).toMatchObject({ auc: null, first_error_auc: null, process_bench: null });
    expect(judgeMetrics("data", [], { size: 4, resampler, threshold: null })).toBeUndefined();
  });
});

describe("best-of-N curves", () => {
  // two samples a problem; the better-scored one is right in the first problem, wrong in the second
  const item = (unit: number, texts: string[], scores: number[]): SampledItem => ({
    unit,
    samples: texts.map((text) => checkText(known, text)),
    stepScores: texts.map((text, i) => (text === "" ? [] : [scores[i] ?? 0])),
  });
  const items = [item(0, [GOLD, "A: 6"], [0.9, 0.1]), item(1, [GOLD, "A: 6"], [0.1, 0.9]), item(2, ["", ""], [0, 0])];
  const greedy = { exact_match: columnOf([1, 0, 0, null]), answer: columnOf([1, 0, 0, null]) };
  const curves = bestOfCurves(items, { size: 4, ns: [1, 2], scored: true, resampler, seed: 1, greedy });
  const valueAt = (method: BestOfMethod, n: number, aggregation: string | null): number | undefined =>
    curves
      .find((curve) => curve.measure === "exact_match" && curve.method === method && curve.aggregation === aggregation)
      ?.points.find((point) => point.n === n)?.value;

  test("there is one for each method, aggregation and measure", () => {
    expect(curves).toHaveLength(2 * (5 + 5 + 1 + 1));
  });
  test("one sample is right in half of two problems, and never in the one without steps", () => {
    for (const [method, aggregation] of [
      ["naive", "mean"],
      ["weighted", "min"],
      ["majority", null],
      ["oracle", null],
    ] as const)
      expect(valueAt(method, 1, aggregation)).toBeCloseTo(1 / 3, 12);
  });
  test("best of two: the judge's choice in one problem, any right one in two", () => {
    expect(valueAt("naive", 2, "last")).toBeCloseTo(1 / 3, 12);
    expect(valueAt("weighted", 2, "sum")).toBeCloseTo(1 / 3, 12);
    expect(valueAt("majority", 2, null)).toBeCloseTo(1 / 3, 12);
    expect(valueAt("oracle", 2, null)).toBeCloseTo(2 / 3, 12);
  });
  test("differences to greedy and to majority are over the same problems", () => {
    const oracle = curves.find(({ method }) => method === "oracle")?.points[1];
    expect(oracle?.over_greedy.value).toBeCloseTo(1 / 3, 12);
    expect(oracle?.over_majority.value).toBeCloseTo(1 / 3, 12);
  });
  test("without a reward model there are majority and oracle only; without gold no exact match", () => {
    const none = columnOf([null, null, null, null]);
    const few = bestOfCurves(items, {
      size: 4,
      ns: [1],
      scored: false,
      resampler,
      seed: 1,
      greedy: { exact_match: none, answer: greedy.answer },
    });
    expect(few.map(({ measure, method }) => `${measure} ${method}`)).toEqual(["answer majority", "answer oracle"]);
  });
});

describe("pairs", () => {
  const pairs = [
    { unit: 0, chosen: -4, rejected: -6, chosenTokens: 4, rejectedTokens: 2 },
    { unit: 0, chosen: -9, rejected: -8, chosenTokens: 9, rejectedTokens: 4 },
    { unit: 2, chosen: -5, rejected: -5, chosenTokens: 5, rejectedTokens: 5 },
  ];
  const columns = preferenceColumns(pairs, 4);

  test("ties count half, by sums and by tokens", () => {
    const metrics = preferenceMetrics("model", pairs, columns, { resampler, edges: [-1, 0.5, 2] });
    expect(metrics.accuracy.value).toBeCloseTo(1.5 / 3, 12);
    expect(metrics.accuracy_per_token.value).toBeCloseTo(2.5 / 3, 12);
    expect(metrics.logps_margin.value).toBeCloseTo(1 / 3, 12);
    expect(metrics.margin_histogram.counts).toEqual([2, 1]);
    expect(metrics.implicit).toBeNull();
  });
  test("the implicit reward is what the margin gained over the baseline", () => {
    const reference = pairs.map((pair) => ({ ...pair, chosen: pair.chosen - 1 }));
    const metrics = preferenceMetrics("model", pairs, columns, { resampler, edges: [-1, 2], reference });
    expect(metrics.implicit).toMatchObject({ accuracy: { value: 1 }, margin: { value: 1 } });
  });
  test("the reward model's margins: reversed and zero ones are counted; a continuation stands after its prefix", () => {
    const pair = { prompt: "p", prefix: "a", chosen: "b", rejected: "c" };
    const scores: Record<string, number[]> = { "a\nb": [0.5, 0.7], "a\nc": [0.5, 0.1] };
    const metrics = pairScoreMetrics(
      [
        { ...known, pairs: [pair, { ...pair, chosen: "c", rejected: "b" }] },
        { ...known, pairs: [{ ...pair, chosen: "unscored" }] },
      ],
      (_, text) => scores[text],
      { aggregation: "last", resampler: createResampler(2) },
    );
    expect(metrics).toMatchObject({ pairs: 2, zero: 0, reversed: 1, accuracy: { value: 0.5 } });
    expect(metrics?.margin.value).toBeCloseTo(0, 12);
  });
});

test("a comparison says whether its interval excludes zero, and leaves out what one side lacks", () => {
  const gain = columnOf([1, 1, 1, 1]);
  const rows = compareColumns(
    { exact_match: gain, steps: columnOf([1, 2, 3, 4]), other: gain },
    { exact_match: columnOf([0, 0, 0, 0]), steps: columnOf([4, 3, 2, 1]), reward_score: gain },
    resampler,
  );
  expect(rows.map(({ metric, excludes_zero }) => [metric, excludes_zero])).toEqual([
    ["exact_match", true],
    ["steps", false],
  ]);
  expect(rows[0]).toMatchObject({ baseline: 0, model: 1, difference: { value: 1, low: 1, high: 1 } });
});
