// The kinds of pairs that a rollout makes, and what each makes of the same samples.

import { type MadePairs, pairsFromRollouts, type RolloutPair } from "./pairs.ts";
import type { Rollout } from "./rollout.ts";
import { stepPairsFromRollouts } from "./step-pairs.ts";

export const PAIR_KINDS = ["best-worst", "right-wrong", "step"] as const;
export type PairKind = (typeof PAIR_KINDS)[number];

export interface KindOptions {
  maxPairsPerProblem: number;
  requireRight: boolean;
}

/** Pairs of one kind. */
export function pairsOfKind(rollouts: readonly Rollout[], kind: PairKind, options: KindOptions): MadePairs {
  const { maxPairsPerProblem: maxPairs, requireRight } = options;
  return kind === "step"
    ? stepPairsFromRollouts(rollouts, { maxPairs })
    : pairsFromRollouts(rollouts, { kind, maxPairs, requireRight });
}

/** Pairs of all kinds together, each text pair once. */
export function mergePairs(made: readonly MadePairs[]): RolloutPair[] {
  const seen = new Map<string, RolloutPair>();
  for (const pair of made.flatMap(({ pairs }) => pairs)) {
    const key = JSON.stringify([pair.prompt, pair.prefix ?? "", pair.chosen, pair.rejected]);
    if (!seen.has(key)) seen.set(key, pair);
  }
  return [...seen.values()];
}
