// Figures of greedy solutions: right or not, valid steps, where the first wrong step stands, length, repetition, the reward model's score.

import type { EvaluationItem } from "../../data/problems/items.ts";
import { type CheckedText, hasChecker } from "../check-text.ts";
import type { Interval, PolicyMetrics, Role } from "../result.ts";
import type { Solution } from "../solutions.ts";
import type { StepScores } from "../step-scores.ts";
import { type Column, columnMean, columnOf, hasObservations, type Resampler } from "./bootstrap.ts";
import { histogramOf, integerEdges, sharedEdges } from "./histogram.ts";
import { repeatedLines, repeatedNgrams } from "./repetition.ts";

/** Greedy solutions of one model, one an item. */
export interface SolvedItems {
  role: Role;
  items: readonly EvaluationItem[];
  greedy: readonly Solution[];
  checked: readonly CheckedText[];
}

const POLICY_FIGURES = [
  "exact_match",
  "answer_accuracy",
  "step_validity",
  "tokens",
  "steps",
  "repetition_rate",
  "repeated_4grams",
  "reward_score",
  "reward_min",
] as const;
export type PolicyFigure = (typeof POLICY_FIGURES)[number];

/** One column a figure, over the items. */
export function policyColumns(
  { items, greedy, checked }: SolvedItems,
  scores: StepScores,
): Record<PolicyFigure, Column> {
  const stepScores = items.map(({ prompt }, i) => scores(prompt, greedy[i]?.text ?? "") ?? []);
  const scoreColumn = (of: (own: readonly number[]) => number): Column =>
    columnOf(stepScores.map((own) => (own.length === 0 ? null : of(own))));
  return {
    exact_match: columnOf(checked.map(({ exact }) => exact)),
    answer_accuracy: columnOf(checked.map(({ answerCorrect }) => answerCorrect)),
    step_validity: {
      sums: checked.map(({ steps }) => steps.filter(({ right }) => right === true).length),
      counts: checked.map(({ steps }, i) => (items[i]?.gold === null ? 0 : Math.max(1, steps.length))),
    },
    tokens: columnOf(greedy.map(({ tokens }) => tokens)),
    steps: columnOf(checked.map(({ steps }) => steps.length)),
    repetition_rate: columnOf(greedy.map(({ text }) => repeatedLines(text))),
    repeated_4grams: columnOf(greedy.map(({ text }) => repeatedNgrams(text, 4))),
    reward_score: scoreColumn((own) => own.reduce((sum, score) => sum + score, 0) / own.length),
    reward_min: scoreColumn((own) => Math.min(...own)),
  };
}

/** The largest value, -1 for none; a spread call would overflow the stack on long lists. */
function largest(values: readonly number[]): number {
  return values.reduce((top, value) => Math.max(top, value), -1);
}

function firstWrongSteps({ items, checked }: SolvedItems): PolicyMetrics["first_wrong_step"] {
  const judged = checked.filter((_, i) => items[i] !== undefined && hasChecker(items[i]));
  if (judged.length === 0) return null;
  const firsts = judged
    .filter(({ steps }) => steps.length > 0)
    .map(({ steps }) => steps.findIndex(({ right }) => !right));
  const counts = new Array<number>(largest(firsts) + 1).fill(0);
  for (const first of firsts) if (first >= 0) counts[first] = (counts[first] ?? 0) + 1;
  return { counts, none: firsts.filter((first) => first < 0).length, empty: judged.length - firsts.length };
}

function judgedBy(items: readonly EvaluationItem[]): PolicyMetrics["exact_match_by"] {
  const bySteps = items.filter(hasChecker).length;
  const byAnswer = items.filter((item) => !hasChecker(item) && item.answer !== null).length;
  if (bySteps === 0) return byAnswer === 0 ? null : "answer";
  return byAnswer === 0 ? "steps" : "mixed";
}

/** The part of a column that belongs to some items. */
function shareOf(column: Column, indices: readonly number[]): number | null {
  const mean = columnMean({
    sums: indices.map((i) => column.sums[i] ?? 0),
    counts: indices.map((i) => column.counts[i] ?? 0),
  });
  return Number.isNaN(mean) ? null : mean;
}

/** All figures of one model's greedy solutions. */
export function policyMetrics(
  solved: SolvedItems,
  columns: Record<PolicyFigure, Column>,
  resampler: Resampler,
  bySeed: readonly { seed: number; indices: readonly number[] }[],
): PolicyMetrics {
  const { role, items, greedy, checked } = solved;
  const known = (figure: PolicyFigure): Interval | null =>
    hasObservations(columns[figure]) ? resampler.mean(columns[figure]) : null;
  const tokens = greedy.map((solution) => solution.tokens);
  const steps = checked.map((solution) => solution.steps.length);
  return {
    role,
    problems: items.length,
    exact_match_by: judgedBy(items),
    exact_match: known("exact_match"),
    answer_accuracy: known("answer_accuracy"),
    step_validity: known("step_validity"),
    first_wrong_step: firstWrongSteps(solved),
    length: {
      tokens: resampler.mean(columns.tokens),
      steps: resampler.mean(columns.steps),
      tokens_histogram: histogramOf(tokens, sharedEdges([tokens])),
      steps_histogram: histogramOf(steps, integerEdges(Math.max(0, largest(steps)))),
    },
    repetition_rate: resampler.mean(columns.repetition_rate),
    repeated_4grams: resampler.mean(columns.repeated_4grams),
    reward_score: known("reward_score"),
    reward_min: known("reward_min"),
    counts: {
      empty: greedy.filter(({ text }) => text.trim() === "").length,
      no_steps: steps.filter((count) => count === 0).length,
      no_answer: checked.filter(({ answer }) => answer === undefined).length,
      unfinished: greedy.filter(({ finished }) => !finished).length,
    },
    by_seed: bySeed.map(({ seed, indices }) => ({
      seed,
      problems: indices.length,
      exact_match: shareOf(columns.exact_match, indices),
      answer_accuracy: shareOf(columns.answer_accuracy, indices),
      step_validity: shareOf(columns.step_validity, indices),
    })),
  };
}
