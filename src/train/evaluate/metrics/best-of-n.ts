// What one gets by drawing n solutions and keeping one, as the expectation over the subsets of n of the K that were drawn.
// Best-scored (naive): exact, by ranks (Nakano et al. 2021, arXiv:2112.09332, appendix I). Any right (oracle, pass@n): exact
// (Chen et al. 2021, arXiv:2107.03374, eq. 1). Votes: no closed form; all subsets where there are at most MAX_SUBSETS, else so many
// drawn at random. Ties share the outcome equally.

import type { Rng } from "../../../shared/rng.ts";

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
    else for (let i = from; i <= k - (n - chosen.length); i++) extend([...chosen, i], i + 1);
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

/** Sums by answer while votes are counted, reused from vote to vote. */
interface Count {
  total: number[];
  heaviest: number[];
  returned: number[];
  /** One list a measure. */
  valueSums: number[][];
}

function newCount({ answers, values }: Voters): Count {
  const size = Math.max(0, ...answers.map((answer) => answer + 1));
  const list = (): number[] => new Array<number>(size).fill(0); // a handful: typed arrays cost more to make
  return { total: list(), heaviest: list(), returned: list(), valueSums: values.map(list) };
}

function addVote(voters: Voters, subset: readonly number[], count: Count, outcome: number[]): void {
  const { total, heaviest, returned, valueSums } = count;
  for (const list of [total, heaviest, returned, ...valueSums]) list.fill(0);
  for (const i of subset) {
    const answer = voters.answers[i] ?? -1;
    if (answer < 0) continue;
    const weight = voters.weights[i] ?? 0;
    total[answer] = (total[answer] ?? 0) + weight;
    heaviest[answer] = Math.max(heaviest[answer] ?? 0, weight);
  }
  const top = total.reduce((most, weight) => Math.max(most, weight), 0) * (1 - 1e-12);
  let winners = 0;
  for (const i of subset) {
    const answer = voters.answers[i] ?? -1;
    if (answer < 0 || (total[answer] ?? 0) < top || voters.weights[i] !== heaviest[answer]) continue;
    if (returned[answer] === 0) winners++;
    returned[answer] = (returned[answer] ?? 0) + 1;
    for (const [measure, sums] of valueSums.entries())
      sums[answer] = (sums[answer] ?? 0) + (voters.values[measure]?.[i] ?? 0);
  }
  // each winning answer has an equal share, and within it each of its heaviest voters
  for (const [measure, sums] of valueSums.entries()) {
    for (let answer = 0; answer < sums.length; answer++) {
      const group = returned[answer] ?? 0;
      if (group > 0) outcome[measure] = (outcome[measure] ?? 0) + (sums[answer] ?? 0) / group / winners;
    }
  }
}

/**
 * Expected outcome of the votes of the given subsets, one value a measure: the answer with the largest weight wins, and its heaviest
 * voter's solution is returned. 0 when nobody votes.
 */
export function expectedVote(voters: Voters, drawn: readonly (readonly number[])[]): number[] {
  // whoever wins, the outcome is the same: most problems are solved by all samples or by none
  const isSettled = voters.values.every((values) => values.every((value) => value === values[0]));
  if (isSettled && !voters.answers.includes(-1)) return voters.values.map(([value = 0]) => value);
  const count = newCount(voters);
  const sums = voters.values.map(() => 0);
  for (const subset of drawn) addVote(voters, subset, count, sums);
  return sums.map((sum) => sum / drawn.length);
}

/** Ids of the answers, from 0; -1 for none. */
export function answerIds(samples: readonly { answer: string | undefined }[]): number[] {
  const known = new Map<string, number>();
  return samples.map(({ answer }) => {
    if (answer === undefined) return -1;
    const id = known.get(answer) ?? known.size;
    known.set(answer, id);
    return id;
  });
}
