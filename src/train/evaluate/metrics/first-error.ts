// ProcessBench's measure (Zheng et al. 2024, arXiv:2412.06559, section 3): a judge reads a solution up to the first step it calls wrong.
// On wrong solutions that must be the labelled first wrong step, on right ones there must be none; F1 is the harmonic mean of the two.
// A score below the threshold calls a step wrong, so a solution is judged rightly for thresholds in one interval (above, upTo].

import type { FirstErrorMeasure } from "../result.ts";
import { quantile } from "./bootstrap.ts";

export interface JudgedSolution {
  /** Index of the first wrong step, -1 for none. */
  firstWrong: number;
  /** Thresholds t with above < t <= upTo judge it rightly. */
  above: number;
  upTo: number;
}

/** From the step scores in [0, 1] and the labelled first wrong step (-1: none). */
export function judgedSolution(stepScores: readonly number[], firstWrong: number): JudgedSolution {
  const before = firstWrong < 0 ? stepScores : stepScores.slice(0, firstWrong);
  return {
    firstWrong,
    above: firstWrong < 0 ? Number.NEGATIVE_INFINITY : (stepScores[firstWrong] ?? Number.NaN),
    upTo: before.reduce((least, score) => Math.min(least, score), Number.POSITIVE_INFINITY),
  };
}

/** Whether the first step scored below `threshold` is the first wrong one (or there is none of either). */
export function isJudgedRightly({ above, upTo }: JudgedSolution, threshold: number): boolean {
  return above < threshold && threshold <= upTo;
}

/** 2ab / (a + b), 0 when both are 0. */
export function harmonicMean(a: number, b: number): number {
  return a + b === 0 ? 0 : (2 * a * b) / (a + b);
}

/** The measure at one threshold; NaN where wrong or right solutions are missing. */
export function firstErrorMeasure(solutions: readonly JudgedSolution[], threshold: number): FirstErrorMeasure {
  const accuracy = (group: readonly JudgedSolution[]): number =>
    group.filter((solution) => isJudgedRightly(solution, threshold)).length / group.length;
  const wrong_accuracy = accuracy(solutions.filter(({ firstWrong }) => firstWrong >= 0));
  const right_accuracy = accuracy(solutions.filter(({ firstWrong }) => firstWrong < 0));
  return { threshold, wrong_accuracy, right_accuracy, f1: harmonicMean(wrong_accuracy, right_accuracy) };
}

const CANDIDATES = 199;

/** The threshold of the highest F1 among quantiles of the scores that decide; the lowest such; 0.5 when F1 is not defined. */
export function bestThreshold(solutions: readonly JudgedSolution[]): number {
  const deciding = Float64Array.from(
    solutions.flatMap(({ above, upTo }) => [above, upTo]).filter((score) => Number.isFinite(score)),
  ).sort();
  let best = { threshold: 0.5, f1: Number.NEGATIVE_INFINITY };
  for (let i = 1; i <= CANDIDATES; i++) {
    const measure = firstErrorMeasure(solutions, quantile(deciding, i / (CANDIDATES + 1)));
    if (measure.f1 > best.f1) best = measure;
  }
  return best.threshold;
}
