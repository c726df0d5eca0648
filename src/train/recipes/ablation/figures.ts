// Figures of a policy on held-out problems, kept one value a problem, so that seeds can be pooled and differences paired.

import { z } from "zod";
import type { EvaluationItem } from "../../data/problems/items.ts";
import type { Column } from "../../evaluate/metrics/bootstrap.ts";
import { policyColumns } from "../../evaluate/metrics/policy-metrics.ts";
import { runModel } from "../../evaluate/model-run.ts";
import { NO_SCORES } from "../../evaluate/step-scores.ts";

export const ABLATION_FIGURES = ["exact_match", "answer_accuracy", "step_validity", "repetition_rate"] as const;
export type AblationFigure = (typeof ABLATION_FIGURES)[number];

const column = z.object({ sums: z.array(z.number()), counts: z.array(z.number()) });
export const figuresSchema = z.record(z.enum(ABLATION_FIGURES), column);
export type Figures = z.infer<typeof figuresSchema>;

const MAX_NEW_TOKENS = 128;

/** Greedy solutions of all items, measured. */
export async function measurePolicy(
  dir: string,
  items: readonly EvaluationItem[],
  signal?: AbortSignal,
): Promise<Figures> {
  const run = await runModel({ role: "model", dir, path: dir }, items, {
    solve: true,
    plan: undefined,
    preference: false,
    maxNewTokens: MAX_NEW_TOKENS,
    signal,
  });
  const columns = policyColumns({ role: "model", items, greedy: run.greedy, checked: run.checked }, NO_SCORES);
  return {
    exact_match: columns.exact_match,
    answer_accuracy: columns.answer_accuracy,
    step_validity: columns.step_validity,
    repetition_rate: columns.repetition_rate,
  };
}

/** Columns of several runs on the same problems as one: a problem's observations are those of all runs. */
export function pooled(columns: readonly Column[]): Column {
  const units = columns[0]?.sums.length ?? 0;
  const total = (of: (column: Column) => readonly number[]): number[] =>
    Array.from({ length: units }, (_, unit) => columns.reduce((sum, one) => sum + (of(one)[unit] ?? 0), 0));
  return { sums: total(({ sums }) => sums), counts: total(({ counts }) => counts) };
}
