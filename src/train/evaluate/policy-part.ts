// Figures of the model and of the baseline side by side: greedy solutions, and preferences of the pairs, their histograms on one axis.

import type { EvaluationItem } from "../data/problems/items.ts";
import type { LoadedItems } from "../data/problems/load-items.ts";
import type { Resampler } from "./metrics/bootstrap.ts";
import { sharedEdges } from "./metrics/histogram.ts";
import { policyColumns, policyMetrics, type SolvedItems } from "./metrics/policy-metrics.ts";
import type { ModelRun } from "./model-run.ts";
import { margin, preferenceColumns, preferenceMetrics } from "./preference-metrics.ts";
import type { EvaluationResult } from "./result.ts";
import type { StepScores } from "./step-scores.ts";

/** One entry a model, the model first. */
export interface PolicyPart {
  metrics: EvaluationResult["policy"];
  columns: ReturnType<typeof policyColumns>[];
}

/** Figures of the greedy solutions. */
export function policyPart(
  runs: readonly ModelRun[],
  items: readonly EvaluationItem[],
  scores: StepScores,
  { resampler, bySeed }: { resampler: Resampler; bySeed: LoadedItems["bySeed"] },
): PolicyPart {
  const solved = runs
    .filter(({ greedy }) => greedy.length > 0)
    .map(({ info, greedy, checked }): SolvedItems => ({ role: info.role, items, greedy, checked }));
  const columns = solved.map((own) => policyColumns(own, scores));
  const metrics = solved.flatMap((own, i) =>
    columns[i] === undefined ? [] : [policyMetrics(own, columns[i], resampler, bySeed)],
  );
  return { metrics, columns };
}

/** Figures of the pairs. */
export function preferencePart(
  runs: readonly ModelRun[],
  size: number,
  resampler: Resampler,
): { metrics: EvaluationResult["preference"]; columns: ReturnType<typeof preferenceColumns>[] } {
  const measured = runs.filter(({ pairs }) => pairs.length > 0);
  const edges = sharedEdges(measured.map(({ pairs }) => pairs.map(margin)));
  const columns = measured.map(({ pairs }) => preferenceColumns(pairs, size));
  const baseline = measured.find(({ info }) => info.role === "baseline");
  const metrics = measured.flatMap(({ info, pairs }, i) => {
    const isComparable = info.role === "model" && baseline?.pairs.length === pairs.length;
    const reference = isComparable ? baseline?.pairs : undefined;
    const own = columns[i];
    return own === undefined ? [] : [preferenceMetrics(info.role, pairs, own, { resampler, edges, reference })];
  });
  return { metrics, columns };
}
