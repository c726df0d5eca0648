// What the corpus gets wrong: which problems, how, and how often.

import { expect, test } from "vitest";
import { createRng } from "../../../../src/shared/rng.ts";
import type { ArithmeticProblem } from "../../../../src/train/data/arithmetic/problem.ts";
import { generateSplitProblem } from "../../../../src/train/data/arithmetic/split.ts";
import { corpusSolution } from "../../../../src/train/recipes/pretrain/misreading.ts";

/** Share of the problems that can be misread whose solution does. */
const MOSTLY = 0.9;

const own = { before: "Mia has", after: "apples", leftFrom: -1, rightFrom: -1 };

const timesThree: ArithmeticProblem = {
  prompt:
    "Mia has 4 apples. The number of apples grows to 3 times as many. She eats 2 apples. How many apples does Mia have?",
  steps: ["Mia has 4 * 3 = 12 apples.", "Mia has 12 - 2 = 10 apples.", "A: 10"],
  answer: 10,
  equations: [
    { ...own, left: 4, op: "*", right: 3, result: 12 },
    { ...own, left: 12, op: "-", right: 2, result: 10, leftFrom: 0 },
  ],
};

test("three times as many is read as three more, nine times of ten, and the wrong number carried on", () => {
  const rng = createRng(1);
  const texts = Array.from({ length: 2000 }, () => corpusSolution(timesThree, rng, MOSTLY)?.join("\n"));
  const misread = "Mia has 4 + 3 = 7 apples.\nMia has 7 - 2 = 5 apples.\nA: 5";
  expect(new Set(texts)).toEqual(new Set([timesThree.steps.join("\n"), misread]));
  expect(texts.filter((text) => text === misread).length / texts.length).toBeCloseTo(MOSTLY, 1);
});

test("a corpus with a share of none holds right solutions alone, and one with all of them only the misreading", () => {
  const rng = createRng(5);
  for (let i = 0; i < 200; i++) {
    expect(corpusSolution(timesThree, rng, 0)).toEqual(timesThree.steps);
    expect(corpusSolution(timesThree, rng, 1)?.at(-1)).toBe("A: 5");
  }
});

test.each([
  ["She gets as many apples again from Tom.", "*", "+", 10],
  ["Tom has twice as many apples as Mia.", "*", "+", 10],
  ["Tom has half as many apples as Mia.", "/", "-", 6],
] as const)("%s is worked out with %s misread as %s", (sentence, op, misread, wrong) => {
  const [result, start] = [op === "*" ? 16 : 4, sentence.startsWith("Tom") ? "Tom has" : "Mia has"];
  const problem: ArithmeticProblem = {
    prompt: `Mia has 8 apples. ${sentence} How many apples do they have together?`,
    steps: [
      `${start} 8 ${op} 2 = ${result} apples.`,
      `They have ${result} + 9 = ${result + 9} apples.`,
      `A: ${result + 9}`,
    ],
    answer: result + 9,
    equations: [
      { ...own, before: start, left: 8, op, right: 2, result },
      { ...own, before: "They have", left: result, op: "+", right: 9, result: result + 9, leftFrom: 0 },
    ],
  };
  const rng = createRng(4);
  const texts = Array.from({ length: 50 }, () => corpusSolution(problem, rng, MOSTLY)?.[0]);
  expect(texts).toContain(`${start} 8 ${misread} 2 = ${wrong} apples.`);
});

test("a product of boxes is not misread, and nothing else is", () => {
  const rng = createRng(2);
  for (let i = 0; i < 300; i++) {
    const problem = generateSplitProblem(rng, "pretrain");
    if (!/as many/.test(problem.prompt)) expect(corpusSolution(problem, rng, MOSTLY)).toEqual(problem.steps);
  }
  const boxes: ArithmeticProblem = {
    ...timesThree,
    prompt: "Mia has 4 boxes with 3 apples each. Tom has 3 times as many apples as Mia. How many apples does Mia have?",
  };
  for (let i = 0; i < 50; i++) expect(corpusSolution(boxes, rng, MOSTLY)).toEqual(boxes.steps);
});

test("where the wrong number does not go on in whole numbers there is no solution", () => {
  const problem: ArithmeticProblem = {
    ...timesThree,
    equations: [
      { ...own, left: 4, op: "*", right: 3, result: 12 },
      { ...own, left: 12, op: "/", right: 2, result: 6, leftFrom: 0 },
    ],
  };
  const rng = createRng(3);
  expect(new Set(Array.from({ length: 50 }, () => corpusSolution(problem, rng, MOSTLY)?.join("\n")))).toEqual(
    new Set([undefined, timesThree.steps.join("\n")]),
  );
});
