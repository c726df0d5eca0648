// Best-of-n and votes on five solutions whose order is plain to see.

import { expect, test } from "vitest";
import { type Rankable, rankSolutions } from "../../../src/shared/search/rank.ts";

const SOLUTIONS: Rankable[] = [
  { text: "2 + 2 = 5\nA: 5", logp: -1, stepScores: [0.2, 0.4] },
  { text: "2 + 2 = 4\nA: 4", logp: -2, stepScores: [0.9, 0.5] },
  { text: "2 + 3 = 5\nA: 5.0", logp: -3, stepScores: [0.3, 0.3] },
  { text: "so it is", logp: -0.5, stepScores: [0.95] },
  { text: "", logp: -9, stepScores: [] },
];
const rank = (options: Partial<Parameters<typeof rankSolutions>[1]>) =>
  rankSolutions(SOLUTIONS, { ranking: "score", vote: "none", aggregation: "mean", ...options });

test("by log-prob", () => {
  expect(rank({ ranking: "logprob" }).order).toEqual([3, 0, 1, 2, 4]);
});

test("by step scores: means 0.3, 0.7, 0.3, 0.95; one without a step comes last", () => {
  expect(rank({}).order).toEqual([3, 1, 0, 2, 4]);
});

test("by the last, the least and the product of the step scores", () => {
  expect(rank({ aggregation: "last" }).order).toEqual([3, 1, 0, 2, 4]); // 0.4, 0.5, 0.3, 0.95
  expect(rank({ aggregation: "min" }).order).toEqual([3, 1, 2, 0, 4]); // 0.2, 0.5, 0.3, 0.95
  expect(rank({ aggregation: "prod" }).order).toEqual([3, 1, 2, 0, 4]); // 0.08, 0.45, 0.09, 0.95
});

test("a majority of two says 5, written in two ways; the better-scored of the two is first", () => {
  const { order, tally } = rank({ vote: "majority" });
  expect(order).toEqual([0, 2, 3, 1, 4]);
  expect(tally).toEqual([
    { answer: "5", share: 2 / 3, votes: 2 },
    { answer: "4", share: 1 / 3, votes: 1 },
  ]);
});

test("weighed by score, one vote of 0.7 beats two of 0.3", () => {
  const { order, tally } = rank({ vote: "weighted" });
  expect(order).toEqual([1, 3, 0, 2, 4]);
  expect(tally.map(({ answer }) => answer)).toEqual(["4", "5"]);
  expect(tally[0]?.share).toBeCloseTo(0.7 / 1.3, 12);
});

test("where nobody states an answer the order alone decides", () => {
  const { order, tally } = rankSolutions(SOLUTIONS.slice(3), {
    ranking: "logprob",
    vote: "majority",
    aggregation: "mean",
  });
  expect(order).toEqual([0, 1]);
  expect(tally).toEqual([]);
});
