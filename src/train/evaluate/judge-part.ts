// The solutions that the reward model is judged on: those that came with labels, and each model's own where the checker labels them.

import type { StepLabel } from "../data/labelled-solution.ts";
import { HELDOUT, type LoadedItems } from "../data/problems/load-items.ts";
import type { Resampler } from "./metrics/bootstrap.ts";
import { type JudgedSteps, judgeMetrics } from "./metrics/judge-metrics.ts";
import type { ModelRun } from "./model-run.ts";
import type { JudgeMetrics } from "./result.ts";
import type { StepScores } from "./step-scores.ts";

/** Judge figures on the solutions of the data, and on each model's own where the checker labels them. */
export function judgePart(
  runs: readonly ModelRun[],
  { items, source }: LoadedItems,
  scores: StepScores,
  { resampler, threshold }: { resampler: Resampler; threshold: number | null },
): JudgeMetrics[] {
  const judged = (unit: number, text: string, labels: readonly StepLabel[]): JudgedSteps[] => {
    const own = scores(items[unit]?.prompt ?? "", text);
    return own === undefined || own.length === 0 ? [] : [{ unit, scores: own, labels }];
  };
  const given = items.flatMap(({ labelled }, unit) =>
    labelled.flatMap(({ steps, labels }) => judged(unit, steps.join("\n"), labels)),
  );
  const ownOf = ({ checked, sampled }: ModelRun): JudgedSteps[] => {
    const solutions = [
      ...checked.map((solution, unit) => ({ solution, unit })),
      ...sampled.flatMap((run) =>
        run.indices.flatMap((unit, i) => (run.checked[i] ?? []).map((solution) => ({ solution, unit }))),
      ),
    ].filter(({ unit }) => items[unit]?.gold !== null);
    // each text once a problem, however often it was sampled
    const distinct = new Map(solutions.map((own) => [JSON.stringify([own.unit, own.solution.text]), own]));
    return [...distinct.values()].flatMap(({ solution, unit }) =>
      judged(
        unit,
        solution.text,
        solution.steps.map(({ right }) => (right === null ? undefined : Number(right))),
      ),
    );
  };
  const options = { size: items.length, resampler, threshold };
  return [
    judgeMetrics(source === HELDOUT ? "corrupted" : "data", given, options),
    ...runs.map((run) => judgeMetrics(run.info.role, ownOf(run), options)),
  ].flatMap((metrics) => metrics ?? []);
}
