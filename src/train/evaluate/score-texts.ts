// The texts of an evaluation that the reward model scores, all at once: solutions, sides of pairs, labelled solutions, gold.

import type { Aggregation } from "../../shared/aggregate.ts";
import type { EvaluationItem } from "../data/problems/items.ts";
import type { Completion } from "../reward/judge/llm-reward-model.ts";
import { loadScorer, scoringProcesses } from "../reward/scoring/scoring-processes.ts";
import { wholeSides } from "./metrics/pair-score-metrics.ts";
import type { ModelRun } from "./model-run.ts";
import type { Plan } from "./plan.ts";
import { type StepScores, scoreSteps } from "./step-scores.ts";

/** Scores all texts that any part needs: solutions, both sides of pairs, labelled solutions, gold. */
export async function scoreTexts(
  dir: string,
  { items, runs, plan }: { items: readonly EvaluationItem[]; runs: readonly ModelRun[]; plan: Plan },
  { signal, aggregation }: { signal: AbortSignal | undefined; aggregation: Aggregation },
): Promise<StepScores> {
  const solutions = runs.flatMap(({ checked, sampled }) => [
    ...checked.map(({ text }, unit) => ({ unit, text })),
    ...sampled.flatMap((run) =>
      run.indices.flatMap((unit, i) => (run.checked[i] ?? []).map(({ text }) => ({ unit, text }))),
    ),
  ]);
  const given = items.flatMap((item, unit) => [
    ...(plan.preference ? item.pairs.flatMap((pair) => Object.values(wholeSides(pair))) : []).map((text) => ({
      unit,
      text,
    })),
    ...(plan.judge ? item.labelled.map(({ steps }) => ({ unit, text: steps.join("\n") })) : []),
    ...(plan.solve && item.gold !== null ? [{ unit, text: item.gold }] : []),
  ]);
  const completions = [...solutions, ...given].map(
    ({ unit, text }): Completion => ({ prompt: items[unit]?.prompt ?? "", completion: text }),
  );
  const scorer = await loadScorer(dir, scoringProcesses(completions.length), { aggregation });
  try {
    return await scoreSteps(scorer, completions, signal);
  } finally {
    scorer.dispose();
  }
}
