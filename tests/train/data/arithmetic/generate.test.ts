// The generator's promises: what pretraining and the checker rely on.

import { describe, expect, test } from "vitest";
import { createRng } from "../../../../src/shared/rng.ts";
import { generateProblem } from "../../../../src/train/data/arithmetic/generate.ts";
import { applyOperator, FROM_QUESTION } from "../../../../src/train/data/arithmetic/problem.ts";
import { generateSplitProblem, problemSplit, SPLITS } from "../../../../src/train/data/arithmetic/split.ts";
import { vocabularyWords } from "../../../../src/train/data/arithmetic/wording.ts";

const rng = createRng(7);
const problems = Array.from({ length: 2000 }, () => generateProblem(rng));

describe("generated problems", () => {
  test("every equation holds and stays within 2 to 99", () => {
    for (const { equations } of problems) {
      for (const { left, op, right, result } of equations) {
        expect(applyOperator(left, op, right)).toBe(result);
        for (const number of [left, right, result]) expect(number >= 2 && number <= 99).toBe(true);
      }
    }
  });

  test("the equations use every number of the question and no other", () => {
    const plain = problems.filter(({ prompt }) => !/half|twice|again from|doubles|one of them/.test(prompt));
    expect(plain.length).toBeGreaterThan(300);
    for (const { prompt, equations } of plain) {
      const used = equations.flatMap((step) => [
        ...(step.leftFrom === FROM_QUESTION ? [step.left] : []),
        ...(step.rightFrom === FROM_QUESTION ? [step.right] : []),
      ]);
      expect([...new Set(used)].sort()).toEqual([...new Set((prompt.match(/\d+/g) ?? []).map(Number))].sort());
    }
  });

  test("an operand equals the result of the step it comes from, and no other", () => {
    for (const { equations } of problems) {
      equations.forEach((step, index) => {
        const earlier = equations.slice(0, index).map(({ result }) => result);
        expect(earlier.indexOf(step.left)).toBe(step.leftFrom);
        expect(earlier.indexOf(step.right)).toBe(step.rightFrom);
      });
    }
  });

  test("the number of steps is uniform over the range", () => {
    const counts = [2, 3, 4, 5, 6].map(
      (steps) => problems.filter(({ equations }) => equations.length === steps).length,
    );
    for (const count of counts) expect(count / problems.length).toBeCloseTo(0.2, 1);
    expect(counts.reduce((sum, count) => sum + count)).toBe(problems.length);
  });

  test("the four operations are all common", () => {
    const ops = problems.flatMap(({ equations }) => equations.map(({ op }) => op));
    for (const op of ["+", "-", "*", "/"])
      expect(ops.filter((other) => other === op).length / ops.length).toBeGreaterThan(0.12);
  });

  test("the last line is the answer, the result of the last equation", () => {
    for (const { steps, answer, equations } of problems) {
      expect(steps.at(-1)).toBe(`A: ${equations.at(-1)?.result}`);
      expect(steps).toHaveLength(equations.length + 1);
      expect(answer).toBe(equations.at(-1)?.result);
    }
  });

  test("a closed vocabulary of fewer than 250 words and single digits writes every text", () => {
    const words = new Set([...vocabularyWords(), ..."0123456789"]);
    expect(words.size).toBeLessThan(250);
    for (const { prompt, steps } of problems) {
      const used = `${prompt} ${steps.join(" ")}`.match(/[A-Za-z]+|[^\sA-Za-z]/g) ?? [];
      expect(used.filter((word) => !words.has(word))).toEqual([]);
    }
  });

  test("every word of the vocabulary occurs", () => {
    const text = problems.map(({ prompt, steps }) => `${prompt} ${steps.join(" ")}`).join(" ");
    const seen = new Set(text.match(/[A-Za-z]+|[^\sA-Za-z]/g));
    expect(vocabularyWords().filter((word) => !seen.has(word))).toEqual([]);
  });

  test("the same seed gives the same problems", () => {
    const again = createRng(7);
    expect(Array.from({ length: 50 }, () => generateProblem(again))).toEqual(problems.slice(0, 50));
  });

  test("a range without problems is refused", () => {
    expect(() => generateProblem(rng, { minSteps: 4, maxSteps: 3 })).toThrow("no problems with 4 to 3 steps");
    expect(() => generateProblem(rng, { minSteps: 2, maxSteps: 6, maxValue: 500 })).toThrow("numbers up to 500");
  });

  test("a smaller range of numbers is kept", () => {
    for (let i = 0; i < 300; i++) {
      const { equations } = generateProblem(rng, { minSteps: 1, maxSteps: 3, maxValue: 30 });
      for (const { left, right, result } of equations) expect(Math.max(left, right, result)).toBeLessThanOrEqual(30);
    }
  });
});

describe("splits", () => {
  test("90, 5 and 5 percent of the problems fall into the three splits", () => {
    const share = SPLITS.map(
      (split) => problems.filter(({ prompt }) => problemSplit(prompt) === split).length / problems.length,
    );
    expect(share[0]).toBeCloseTo(0.9, 1);
    expect(share[1]).toBeGreaterThan(0.03);
    expect(share[2]).toBeGreaterThan(0.03);
  });

  test("case and white space do not move a prompt to another split", () => {
    for (const { prompt } of problems.slice(0, 200)) {
      expect(problemSplit(` ${prompt.toUpperCase().replaceAll(" ", "\n ")} `)).toBe(problemSplit(prompt));
    }
  });

  test("a problem drawn for a split belongs to it", () => {
    for (const split of SPLITS) expect(problemSplit(generateSplitProblem(rng, split).prompt)).toBe(split);
  });
});
