// How well step scores tell right steps from wrong ones: ranking (AUC), calibration, and finding the first wrong step.

import { isRight, isWrong, type StepLabel } from "../../data/labelled-solution.ts";
import { firstWrongStep } from "../../data/problems/items.ts";
import type { Interval, JudgeMetrics } from "../result.ts";
import { auc, weightedAuc } from "./auc.ts";
import { columnMean, groupedColumn, type Resampler, type Weights } from "./bootstrap.ts";
import { reliabilityBin, reliabilityBins } from "./calibration.ts";
import { bestThreshold, firstErrorMeasure, harmonicMean, isJudgedRightly, judgedSolution } from "./first-error.ts";
import { histogramOf, sharedEdges } from "./histogram.ts";

/** A solution with known labels and its step scores; `unit` is its problem. */
export interface JudgedSteps {
  unit: number;
  scores: readonly number[];
  /** One a step; undefined: not known. */
  labels: readonly StepLabel[];
}

const BINS = 10;
const CURVE = Array.from({ length: 19 }, (_, i) => (i + 1) / 20);

interface Step {
  unit: number;
  score: number;
  right: boolean;
  /** A right step, or the first wrong one of its solution. */
  upToFirst: boolean;
}

function stepsOf(solutions: readonly JudgedSteps[]): Step[] {
  return solutions.flatMap(({ unit, scores, labels }) => {
    const first = labels.findIndex(isWrong);
    return scores.flatMap((score, i) => {
      const right = isRight(labels[i]);
      return labels[i] === undefined ? [] : [{ unit, score, right, upToFirst: right || i === first }];
    });
  });
}

function aucInterval(steps: readonly Step[], resampler: Resampler): Interval | null {
  const scores = steps.map(({ score }) => score);
  const labels = steps.map(({ right }) => right);
  if (Number.isNaN(auc(scores, labels))) return null;
  return resampler.interval(
    weightedAuc(
      scores,
      labels,
      steps.map(({ unit }) => unit),
    ),
  );
}

/** ECE of a resample from the sums of score minus label that each bin has in each unit. */
function calibrationError(steps: readonly Step[], size: number): (weights: Weights) => number {
  const gaps = Array.from({ length: BINS }, (_, bin) => {
    const own = steps.filter(({ score }) => reliabilityBin(score, BINS) === bin);
    return groupedColumn(
      own.map(({ unit }) => unit),
      own.map(({ score, right }) => score - Number(right)),
      size,
    );
  });
  const weighted = (values: readonly number[], weights: Weights): number =>
    values.reduce((sum, value, unit) => sum + value * (weights[unit] ?? 0), 0);
  return (weights) => {
    const total = gaps.reduce((sum, { counts }) => sum + weighted(counts, weights), 0);
    return gaps.reduce((sum, { sums }) => sum + Math.abs(weighted(sums, weights)), 0) / total;
  };
}

function processBench(
  solutions: readonly JudgedSteps[],
  size: number,
  resampler: Resampler,
  fixed: number | null,
): JudgeMetrics["process_bench"] {
  const judged = solutions.flatMap(({ unit, scores, labels }) => {
    const firstWrong = firstWrongStep(labels);
    return firstWrong === undefined ? [] : [{ unit, ...judgedSolution(scores, firstWrong) }];
  });
  const wrong = judged.filter(({ firstWrong }) => firstWrong >= 0);
  const right = judged.filter(({ firstWrong }) => firstWrong < 0);
  if (wrong.length === 0 || right.length === 0) return null;
  // problems with an even number are judged at the threshold that is best on the odd ones, and the other way round
  const half = (parity: number): number => fixed ?? bestThreshold(judged.filter(({ unit }) => unit % 2 === parity));
  const thresholds = [half(1), half(0)] as const;
  const columnFor = (group: typeof judged): ReturnType<typeof groupedColumn> =>
    groupedColumn(
      group.map(({ unit }) => unit),
      group.map((solution) => isJudgedRightly(solution, thresholds[solution.unit % 2 === 0 ? 0 : 1])),
      size,
    );
  const [wrongColumn, rightColumn] = [columnFor(wrong), columnFor(right)];
  return {
    wrong_solutions: wrong.length,
    right_solutions: right.length,
    threshold_choice: fixed === null ? "cross_fitted" : "fixed",
    threshold: (thresholds[0] + thresholds[1]) / 2,
    wrong_accuracy: resampler.mean(wrongColumn),
    right_accuracy: resampler.mean(rightColumn),
    f1: resampler.interval((weights) =>
      harmonicMean(columnMean(wrongColumn, weights), columnMean(rightColumn, weights)),
    ),
    curve: CURVE.map((threshold) => firstErrorMeasure(judged, threshold)),
  };
}

/**
 * Figures over solutions of `size` problems; undefined when no step has a known label. `threshold` null: cross-fitted.
 */
export function judgeMetrics(
  source: JudgeMetrics["source"],
  solutions: readonly JudgedSteps[],
  options: { size: number; resampler: Resampler; threshold: number | null },
): JudgeMetrics | undefined {
  const { size, resampler, threshold } = options;
  const steps = stepsOf(solutions);
  if (steps.length === 0) return undefined;
  const units = steps.map(({ unit }) => unit);
  const scores = steps.map(({ score }) => score);
  const labels = steps.map(({ right }) => right);
  const mean = (of: (step: Step) => number | boolean): Interval =>
    resampler.mean(groupedColumn(units, steps.map(of), size));
  const edges = sharedEdges([[0, 1]]);
  return {
    source,
    solutions: solutions.length,
    steps: steps.length,
    right_steps: labels.filter(Boolean).length / steps.length,
    auc: aucInterval(steps, resampler),
    first_error_auc: aucInterval(
      steps.filter(({ upToFirst }) => upToFirst),
      resampler,
    ),
    accuracy: mean(({ score, right }) => score >= 0.5 === right),
    ece: resampler.interval(calibrationError(steps, size)),
    brier: mean(({ score, right }) => (score - Number(right)) ** 2),
    reliability: reliabilityBins(scores, labels, BINS),
    score_histogram: {
      right: histogramOf(
        scores.filter((_, i) => labels[i]),
        edges,
      ),
      wrong: histogramOf(
        scores.filter((_, i) => !labels[i]),
        edges,
      ),
    },
    process_bench: processBench(solutions, size, resampler, threshold),
  };
}
