// Samples as short as a test needs: steps one a line, labels as a string of + and -.

import type { Rollout, RolloutSample } from "../../../../src/train/recipes/rollout/rollout.ts";

/** A finished sample of these steps; `+-` labels them, and it is right when all are. Scores are the labels' unless given. */
export function sample(steps: string, labels: string, changes: Partial<RolloutSample> = {}): RolloutSample {
  const step_labels = [...labels].map((sign) => sign === "+");
  const exact = step_labels.length > 0 && step_labels.every(Boolean);
  const step_scores = step_labels.map(Number);
  const score = step_scores.reduce((sum, value) => sum + value, 0) / Math.max(1, step_scores.length);
  const completion = steps.split("|").join("\n");
  return {
    completion,
    step_scores,
    step_labels,
    score,
    exact,
    answer_correct: exact,
    finished: true,
    tokens: 9,
    ...changes,
  };
}

export function rollout(samples: RolloutSample[], changes: Partial<Rollout> = {}): Rollout {
  return { prompt: "How many?", samples, ...changes };
}
