// What is told of a round of online training: how many samples are right, how many problems are solved.

import { isRight, type Rollout } from "../rollout/rollout.ts";
import type { RoundEntry } from "./state.ts";

/** Of the problems whose samples the checker has judged; null where there are none. */
export function solvedShares(rollouts: readonly Rollout[]): Pick<RoundEntry, "samples_right" | "problems_solved"> {
  const known = rollouts
    .map(({ samples }) => samples.map(isRight))
    .filter((own) => own.every((right) => right !== undefined));
  if (known.length === 0) return { samples_right: null, problems_solved: null };
  const all = known.flat();
  return {
    samples_right: all.filter(Boolean).length / Math.max(1, all.length),
    problems_solved: known.filter((own) => own.some(Boolean)).length / known.length,
  };
}

/** A finished round in a line of the log. */
export function roundLine(entry: RoundEntry): string {
  const percent = (share: number | null): string => (share === null ? "unknown" : `${(100 * share).toFixed(1)} %`);
  const validation = entry.validation_exact === null ? "" : `; held-out problems ${percent(entry.validation_exact)}`;
  return (
    `round ${entry.round}: ${entry.samples} samples, ${entry.tokens} tokens; right ${percent(entry.samples_right)}, ` +
    `problems solved ${percent(entry.problems_solved)}; ${entry.pairs} pairs, ${entry.steps} steps${validation}`
  );
}
