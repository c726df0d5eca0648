// What a round's samples become: rejection sampling, right starts, groups with advantages; worked out by hand.

import { expect, test } from "vitest";
import { type MaterialOptions, materialOf } from "../../../../src/train/recipes/online/material.ts";
import { rollout, sample } from "../rollout/samples.ts";

const made = (of: Parameters<typeof materialOf>[0], changes: Partial<MaterialOptions>) =>
  materialOf(of, {
    learnFrom: "right",
    maxPairsPerProblem: 4,
    scoredBy: "rollout",
    advantages: "progress",
    ...changes,
  });

const RIGHT = sample("a|b|A: 1", "+++");
const WRONG = sample("a|c|A: 2", "+--");

test("right: every right solution once, the most frequent first, none that was cut", () => {
  const other = sample("b|a|A: 1", "+++");
  const cut = sample("a|b", "++", { finished: false });
  const pairs = made([rollout([other, RIGHT, WRONG, RIGHT, cut])], {});
  expect(pairs.map(({ chosen }) => chosen)).toEqual(["a\nb\nA: 1", "b\na\nA: 1"]);
  for (const { chosen, rejected, unfinished } of pairs) {
    expect(rejected).toBe(chosen);
    expect(unfinished).toBeUndefined();
  }
});

test("right-steps: a wrong solution is learnt as far as its steps are right, and no further", () => {
  const pairs = made([rollout([WRONG])], { learnFrom: "right-steps" });
  expect(pairs).toEqual([{ prompt: "How many?", chosen: "a", rejected: "a", unfinished: true }]);
});

test("right-steps: with the right next step where one is known, unless a right solution holds it already", () => {
  const branches = [{ prefix: "a", step: "b", right: true, score: 1 }];
  expect(made([rollout([WRONG], { branches })], { learnFrom: "right-steps" }).map(({ chosen }) => chosen)).toEqual([
    "a\nb",
  ]);
  expect(made([rollout([WRONG, RIGHT])], { learnFrom: "right-steps" }).map(({ chosen }) => chosen)).toEqual([
    "a\nb\nA: 1",
  ]);
});

test("group: two samples a pair, each step with its progress among all of them", () => {
  // values at the end 1, 0, 0, 0: mean 1/4; the first step of all gains 3/4, the wrong one loses 1
  const again = sample("a|d|A: 2", "+--");
  const third = sample("e|d|A: 2", "---");
  const pairs = made([rollout([RIGHT, WRONG, again, third])], { learnFrom: "group" });
  expect(pairs.map(({ chosen, rejected }) => [chosen, rejected])).toEqual([
    ["a\nb\nA: 1", "a\nc\nA: 2"],
    ["a\nd\nA: 2", "e\nd\nA: 2"],
  ]);
  expect(pairs[0]).toMatchObject({
    chosen_advantages: [0.75, 0, 0],
    rejected_advantages: [0.75, -1, 0],
    chosen_step_scores: [1, 1, 1],
    rejected_step_scores: [1, 0, 0],
  });
  expect(pairs[1]?.rejected_advantages).toEqual([-0.25, 0, 0]);
});

test("group: a text that was written twice counts twice, one that is left alone stands beside itself at half", () => {
  const pairs = made([rollout([RIGHT, RIGHT, WRONG])], { learnFrom: "group", advantages: "progress" });
  // mean 2/3: the right text gains 1/3 at its first step, twice
  expect(pairs).toHaveLength(1);
  expect(pairs[0]?.chosen_advantages?.[0]).toBeCloseTo(2 / 3, 9);
  const [pair] = made([rollout([RIGHT, RIGHT, WRONG, sample("x", "-")])], { learnFrom: "group" }).slice(1);
  expect([pair?.chosen, pair?.rejected]).toEqual(["x", "x"]);
  expect(pair?.chosen_advantages).toEqual([-0.25]); // half of 0 - 1/2
});

test("a side that was cut says so, and is not one with the same text written to its end", () => {
  const cut = sample("a|c", "+-", { finished: false });
  const ended = sample("a|c", "+-");
  const [pair, last] = made([rollout([RIGHT, cut, ended])], { learnFrom: "group" });
  expect([pair?.chosen_cut, pair?.rejected_cut, pair?.rejected]).toEqual([undefined, true, "a\nc"]);
  expect([last?.chosen_cut, last?.rejected_cut, last?.chosen]).toEqual([undefined, undefined, "a\nc"]);
  const [preferred] = made([rollout([RIGHT, cut])], { learnFrom: "right-wrong" });
  expect([preferred?.chosen_cut, preferred?.rejected_cut]).toEqual([undefined, true]);
});

test("group: nothing is learnt where all samples are right, or all equally wrong", () => {
  expect(made([rollout([RIGHT, RIGHT])], { learnFrom: "group" })).toEqual([]);
  expect(made([rollout([RIGHT, RIGHT])], { learnFrom: "group", advantages: "outcome" })).toEqual([]);
});

test("pairs left to the update's reward model carry no scores at all", () => {
  const [scored] = made([rollout([RIGHT, WRONG])], { learnFrom: "right-wrong" });
  expect(scored).toMatchObject({ chosen_score: 1, chosen_step_scores: [1, 1, 1], rejected_step_scores: [1, 0, 0] });
  const [bare] = made([rollout([RIGHT, WRONG])], { learnFrom: "right-wrong", scoredBy: "train" });
  expect(Object.keys(bare ?? {}).filter((name) => name.includes("score"))).toEqual([]);
});
