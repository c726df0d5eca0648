// Which side of given pairs the reward model scores higher. Scores that came with the pairs are not used: it is the model that is judged.

import { type Aggregation, aggregateScores } from "../../../shared/aggregate.ts";
import type { LabelledPair } from "../../data/labelled-pair.ts";
import type { EvaluationItem } from "../../data/problems/items.ts";
import { preferred } from "../preference-metrics.ts";
import type { PairScoreMetrics } from "../result.ts";
import type { StepScores } from "../step-scores.ts";
import { groupedColumn, type Resampler } from "./bootstrap.ts";
import { histogramOf, sharedEdges } from "./histogram.ts";

/** Both sides of a pair as whole solutions: continuations stand after their prefix. */
export function wholeSides(pair: LabelledPair): { chosen: string; rejected: string } {
  const prefix = pair.prefix === undefined ? "" : `${pair.prefix}\n`;
  return { chosen: `${prefix}${pair.chosen}`, rejected: `${prefix}${pair.rejected}` };
}

/** undefined when no pair has scores on both sides. */
export function pairScoreMetrics(
  items: readonly EvaluationItem[],
  scores: StepScores,
  options: { aggregation: Aggregation; resampler: Resampler },
): PairScoreMetrics | undefined {
  const { aggregation, resampler } = options;
  const score = (prompt: string, text: string): number | undefined => {
    const own = scores(prompt, text);
    return own === undefined || own.length === 0 ? undefined : aggregateScores(own, aggregation);
  };
  const margins = items.flatMap(({ prompt, pairs }, unit) =>
    pairs.flatMap((pair) => {
      const sides = wholeSides(pair);
      const [chosen, rejected] = [score(prompt, sides.chosen), score(prompt, sides.rejected)];
      return chosen === undefined || rejected === undefined ? [] : [{ unit, value: chosen - rejected }];
    }),
  );
  if (margins.length === 0) return undefined;
  const units = margins.map(({ unit }) => unit);
  const values = margins.map(({ value }) => value);
  return {
    pairs: margins.length,
    aggregation,
    accuracy: resampler.mean(groupedColumn(units, values.map(preferred), items.length)),
    margin: resampler.mean(groupedColumn(units, values, items.length)),
    zero: values.filter((value) => value === 0).length,
    reversed: values.filter((value) => value < 0).length,
    histogram: histogramOf(values, sharedEdges([values])),
  };
}
