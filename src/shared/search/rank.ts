// Which of several solutions is returned: the best by log-prob or by step scores, or the best of those whose final answer wins a vote.

import { type Aggregation, aggregateScores } from "../aggregate.ts";
import { finalAnswer } from "../final-answer.ts";

/** How solutions are put in order. */
export const RANKINGS = ["logprob", "score"] as const;
export type Ranking = (typeof RANKINGS)[number];

/** How a final answer is voted for: not at all, one vote a solution, or votes that weigh as much as the solution's score. */
export const VOTES = ["none", "majority", "weighted"] as const;
export type Vote = (typeof VOTES)[number];

/** What is known of a solution. */
export interface Rankable {
  text: string;
  /** Sum of its tokens' log-probs. */
  logp: number;
  /** Not known without a reward model. */
  stepScores?: readonly number[] | undefined;
}

/** Whether the step scores are needed. */
export function needsScores({ ranking, vote }: { ranking: Ranking; vote: Vote }): boolean {
  return ranking === "score" || vote === "weighted";
}

/** One answer's share of the vote. */
export interface Tally {
  answer: string;
  /** Sum of its votes' weights, over the sum of all. */
  share: number;
  votes: number;
}

export interface Ranked {
  /** Indices of the solutions, the one to return first. */
  order: number[];
  /** Answers by their share, the winner first; empty without a vote. */
  tally: Tally[];
}

/** Score of a solution: its step scores, aggregated; minus infinity where it has no step. */
export function scoreOf({ stepScores = [] }: Rankable, aggregation: Aggregation): number {
  return stepScores.length === 0 ? Number.NEGATIVE_INFINITY : aggregateScores(stepScores, aggregation);
}

/**
 * Orders solutions; those of the answer that wins the vote come first. Solutions that state no answer do not vote. Ties: the answer, or
 * the solution, that comes first.
 */
export function rankSolutions(
  solutions: readonly Rankable[],
  options: { ranking: Ranking; vote: Vote; aggregation: Aggregation },
): Ranked {
  const { ranking, vote, aggregation } = options;
  const scores = solutions.map((one) => (ranking === "score" || vote === "weighted" ? scoreOf(one, aggregation) : 0));
  const ranks = ranking === "score" ? scores : solutions.map(({ logp }) => logp);
  const order = descending(solutions.keys(), (at) => ranks[at] ?? 0);
  if (vote === "none") return { order, tally: [] };
  const answers = solutions.map(({ text }) => finalAnswer(text));
  const sums = new Map<string, { weight: number; votes: number }>();
  answers.forEach((answer, at) => {
    if (answer === undefined) return;
    const sum = sums.get(answer) ?? { weight: 0, votes: 0 };
    sums.set(answer, {
      weight: sum.weight + (vote === "majority" ? 1 : Math.max(0, scores[at] ?? 0)),
      votes: sum.votes + 1,
    });
  });
  const total = [...sums.values()].reduce((sum, { weight }) => sum + weight, 0);
  const tally = descending(sums.entries(), ([, { weight }]) => weight).map(([answer, { weight, votes }]) => ({
    answer,
    share: total === 0 ? 0 : weight / total,
    votes,
  }));
  const winner = tally[0]?.answer;
  const isWinner = (at: number): boolean => winner !== undefined && answers[at] === winner;
  return { order: [...order.filter(isWinner), ...order.filter((at) => !isWinner(at))], tally };
}

/** Largest value first, equal ones as they come. */
function descending<T>(items: Iterable<T>, rankOf: (item: T) => number): T[] {
  return [...items].sort((a, b) => {
    const [x, y] = [rankOf(a), rankOf(b)];
    return x === y ? 0 : y - x; // of two infinities, too
  });
}
