// What one gets by drawing n solutions and keeping one, as the expectation over the subsets of n of the K that were drawn.
// Best-scored (naive): exact, by ranks (Nakano et al. 2021, arXiv:2112.09332, appendix I). Any right (oracle, pass@n): exact
// (Chen et al. 2021, arXiv:2107.03374, eq. 1). Votes: no closed form; all subsets where there are at most MAX_SUBSETS, else so many
// drawn at random. Ties share the outcome equally.

import type { Rng } from "../data/rng.ts";

export const MAX_SUBSETS = 128;

/** Share of subsets of n of which at least one is right, when `right` of `samples` are. */
export function passAtN(samples: number, right: number, n: number): number {
  let allWrong = 1;
  for (let j = 0; j < n; j++) allWrong *= Math.max(0, samples - right - j) / (samples - j);
  return 1 - allWrong;
}

/** Expected value of the best-scored of n samples. */
export function bestScored(scores: readonly number[], values: readonly number[], n: number): number {
  const order = scores.map((_, i) => i).sort((a, b) => (scores[a] ?? 0) - (scores[b] ?? 0));
  // weight of rank i (from 1, ascending): C(i - 1, n - 1) / C(K, n), from the top down
  let weight = n / order.length;
  let expected = 0;
  for (let end = order.length; end > 0 && weight > 0; ) {
    const score = scores[order[end - 1] ?? 0];
    let tieWeight = 0;
    let tieValue = 0;
    let rank = end;
    for (; rank > 0 && scores[order[rank - 1] ?? 0] === score; rank--) {
      tieWeight += weight;
      tieValue += values[order[rank - 1] ?? 0] ?? 0;
      weight *= rank > 1 ? Math.max(0, rank - n) / (rank - 1) : 0;
    }
    expected += (tieWeight * tieValue) / (end - rank);
    end = rank;
  }
  return expected;
}

/** Number of subsets of n of k. */
export function binomial(k: number, n: number): number {
  let result = 1;
  for (let i = 1; i <= n; i++) result = (result * (k - n + i)) / i;
  return Math.round(result);
}

/** All subsets of n of k indices, or MAX_SUBSETS drawn at random where there are more. */
export function subsets(k: number, n: number, rng: Rng): number[][] {
  if (binomial(k, n) > MAX_SUBSETS) {
    const all = Array.from({ length: k }, (_, i) => i);
    return Array.from({ length: MAX_SUBSETS }, () => rng.shuffle(all).slice(0, n));
  }
  const found: number[][] = [];
  const extend = (chosen: number[], from: number): void => {
    if (chosen.length === n) found.push(chosen);
    else for (let i = from; i < k; i++) extend([...chosen, i], i + 1);
  };
  extend([], 0);
  return found;
}

/** The samples of one problem as voters; `values` is what counts when a sample is returned, one list a measure. */
export interface Voters {
  /** Ids from 0 of the samples' answers; -1: none, such a sample does not vote. */
  answers: readonly number[];
  /** Weights of the votes, not negative. */
  weights: readonly number[];
  values: readonly (readonly number[])[];
}

/**
 * Expected outcome of the vote of some samples, one value a measure: the answer with the largest weight wins, and its heaviest
 * voter's solution is returned. 0 when nobody votes.
 */
export function vote(voters: Voters, subset: readonly number[]): number[] {
  const totals: number[] = [];
  const heaviest: number[] = [];
  for (const i of subset) {
    const answer = voters.answers[i] ?? -1;
    const weight = voters.weights[i] ?? 0;
    if (answer < 0) continue;
    totals[answer] = (totals[answer] ?? 0) + weight;
    heaviest[answer] = Math.max(heaviest[answer] ?? 0, weight);
  }
  let top = 0;
  for (const i of subset) top = Math.max(top, totals[voters.answers[i] ?? -1] ?? 0);
  const wins = (answer: number): boolean => (totals[answer] ?? -1) >= top * (1 - 1e-12);
  // each winning answer has an equal share, and within it each of its heaviest voters
  const returned = new Map<number, number[]>();
  for (const i of subset) {
    const answer = voters.answers[i] ?? -1;
    if (answer < 0 || !wins(answer) || voters.weights[i] !== heaviest[answer]) continue;
    const group = returned.get(answer);
    if (group === undefined) returned.set(answer, [i]);
    else group.push(i);
  }
  return voters.values.map((values) => {
    let expected = 0;
    for (const group of returned.values()) {
      for (const i of group) expected += (values[i] ?? 0) / group.length / returned.size;
    }
    return expected;
  });
}

/** Mean outcome of the votes of the given subsets, one value a measure. */
export function expectedVote(voters: Voters, drawn: readonly (readonly number[])[]): number[] {
  // whoever wins, the outcome is the same: most problems are solved by all samples or by none
  const isSettled = voters.values.every((values) => values.every((value) => value === values[0]));
  if (isSettled && !voters.answers.includes(-1)) return voters.values.map(([value = 0]) => value);
  const mean = voters.values.map(() => 0);
  for (const subset of drawn) {
    vote(voters, subset).forEach((value, measure) => {
      mean[measure] = (mean[measure] ?? 0) + value / drawn.length;
    });
  }
  return mean;
}
