// Where a wrong solution leaves a right one: the same question, equal steps before the first wrong step, and at that step the first token
// that differs. Only the labels tell which. Up to there the wrong solution is right, and the right one says what should have come.

import type { LabelledTokens } from "./solution-targets.ts";

/** The first token of a wrong solution that is not that of a right one. */
export interface Divergence {
  /** Its position in `decoderIds`. */
  at: number;
  /** The token that the right solution has there. */
  token: number;
}

/** Number of leading steps that are labelled right. */
export function leadingRightSteps({ labels }: Pick<LabelledTokens, "labels">): number {
  const end = labels.findIndex((label) => label === undefined || label < 0.5);
  return end < 0 ? labels.length : end;
}

/** Each solution with its divergence from the right solution that it follows longest, where there is one. */
export function withDivergences(solutions: readonly LabelledTokens[]): LabelledTokens[] {
  const right = new Map<string, LabelledTokens[]>();
  for (const solution of solutions) {
    const key = solution.promptIds.join(" ");
    right.set(key, [...(right.get(key) ?? []), solution]);
  }
  return solutions.map((solution) => {
    const divergence = divergenceFrom(solution, right.get(solution.promptIds.join(" ")) ?? []);
    return divergence === undefined ? solution : { ...solution, divergence };
  });
}

/** From the other solutions of the question; undefined where no first wrong step is known, or no right step in its place. */
function divergenceFrom(solution: LabelledTokens, others: readonly LabelledTokens[]): Divergence | undefined {
  const wrong = leadingRightSteps(solution);
  const label = solution.labels[wrong];
  if (label === undefined || label >= 0.5) return undefined;
  const start = wrong === 0 ? 0 : (solution.stepEnds[wrong - 1] ?? 0);
  const end = solution.stepEnds[wrong] ?? 0;
  let longest: Divergence | undefined;
  for (const other of others) {
    if (leadingRightSteps(other) <= wrong) continue;
    const at = solution.decoderIds.findIndex((id, t) => id !== other.decoderIds[t]);
    // before the wrong step: other steps; after its end: the same step, which was labelled right elsewhere
    if (at <= start || at > end || at <= (longest?.at ?? 0)) continue;
    longest = { at, token: other.decoderIds[at] ?? 0 };
  }
  return longest;
}
