// A few problems with their solutions side by side, step by step, for people to read: problems whose outcome changed come first.

import type { EvaluationItem } from "../data/problems/items.ts";
import { type CheckedText, checkText } from "./check-text.ts";
import type { SampleProblem, SampleSolution } from "./result.ts";
import type { StepScores } from "./step-scores.ts";

/** Greedy solutions of one model and the first samples of it. */
export interface ModelSolutions {
  role: "model" | "baseline";
  greedy: readonly CheckedText[];
  /** By item; the first seed's. */
  sampled: ReadonlyMap<number, readonly CheckedText[]>;
}

const SAMPLED_SHOWN = 3;

function shown(
  solution: CheckedText,
  source: SampleSolution["source"],
  decoding: SampleSolution["decoding"],
  scores: readonly number[] | undefined,
): SampleSolution {
  const known = scores ?? [];
  return {
    source,
    decoding,
    text: solution.text,
    steps: solution.steps.map((step, i) => ({ ...step, score: known[i] ?? null })),
    score: known.length === 0 ? null : known.reduce((sum, score) => sum + score, 0) / known.length,
    exact: solution.exact,
    answer_correct: solution.answerCorrect,
  };
}

/** Picks `count` items: half of those whose outcome differs between the models, then wrong ones, then in order. */
function pickItems(items: readonly EvaluationItem[], models: readonly ModelSolutions[], count: number): number[] {
  const outcome = (model: ModelSolutions | undefined, i: number): boolean | null => model?.greedy[i]?.exact ?? null;
  const all = items.map((_, i) => i);
  const changed = all.filter((i) => models.length > 1 && outcome(models[0], i) !== outcome(models[1], i));
  const wrong = all.filter((i) => outcome(models[0], i) === false);
  const picked = [...changed.slice(0, Math.ceil(count / 2)), ...wrong.slice(0, Math.ceil(count / 4)), ...all];
  return [...new Set(picked)].slice(0, count).sort((a, b) => a - b);
}

/** `count` problems with gold, before, after and samples. */
export function sampleProblems(
  items: readonly EvaluationItem[],
  models: readonly ModelSolutions[],
  scores: StepScores,
  count: number,
): SampleProblem[] {
  return pickItems(items, models, count).flatMap((i) => {
    const item = items[i];
    if (item === undefined) return [];
    const solution = (text: CheckedText, source: SampleSolution["source"], decoding: SampleSolution["decoding"]) =>
      shown(text, source, decoding, scores(item.prompt, text.text));
    const gold = item.gold === null ? [] : [solution(checkText(item, item.gold), "gold", null)];
    const before = models.toReversed(); // the baseline first
    const greedy = before.flatMap(({ role, greedy }) => (greedy[i] ? [solution(greedy[i], role, "greedy")] : []));
    const sampled = before.flatMap(({ role, sampled }) =>
      (sampled.get(i) ?? []).slice(0, SAMPLED_SHOWN).map((text) => solution(text, role, "sampled")),
    );
    return [{ prompt: item.prompt, gold: item.gold, solutions: [...gold, ...greedy, ...sampled] }];
  });
}
