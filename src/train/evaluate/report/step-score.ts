// One look for the score of a step, in the heat-map and in the text.

import type { SampleSolution } from "../result.ts";
import { formatPercent } from "./format.ts";

export { scoreLook, scoreText } from "../../../shared/design.ts";

export type SampleStep = SampleSolution["steps"][number];

/** What a screen reader says of a step. */
export function stepLabel(step: SampleStep): string {
  const scored = step.score === null ? "not scored" : `scored ${formatPercent(step.score, 0)}`;
  const known = step.right === null ? "" : step.right ? ", right" : ", wrong";
  return `${scored}${known}`;
}
