// One look for the score of a step, in the heat-map and in the text: towards one colour for right, the other for wrong; the middle is pale.

import type { SampleSolution } from "../result.ts";
import { formatPercent } from "./format.ts";

export type SampleStep = SampleSolution["steps"][number];

/** Class and style of a cell: how far the score is from undecided (0.5), as a share of the colour. */
export function scoreLook(score: number | null): { tone: "hi" | "lo" | "none"; style: string } {
  if (score === null) return { tone: "none", style: "" };
  const strength = Math.min(1, Math.abs(score - 0.5) * 2);
  return { tone: score >= 0.5 ? "hi" : "lo", style: `--p:${(100 * strength).toFixed(0)}%` };
}

/** `0.97`; a dash where nothing scored the step. */
export function scoreText(score: number | null): string {
  return score === null ? "–" : score.toFixed(2);
}

/** What a screen reader says of a step. */
export function stepLabel(step: SampleStep): string {
  const scored = step.score === null ? "not scored" : `scored ${formatPercent(step.score, 0)}`;
  const known = step.right === null ? "" : step.right ? ", right" : ", wrong";
  return `${scored}${known}`;
}
