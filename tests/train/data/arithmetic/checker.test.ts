// The checker against solutions judged by hand, and against corruptions whose labels are known from how they were made.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRng } from "../../../../src/shared/rng.ts";
import { checkSolution, labelsOf, parseEquation } from "../../../../src/train/data/arithmetic/checker.ts";
import { corruptSolution, corruptWith } from "../../../../src/train/data/arithmetic/corrupt.ts";
import { generateProblem } from "../../../../src/train/data/arithmetic/generate.ts";
import { MISTAKE_KINDS } from "../../../../src/train/data/arithmetic/mistakes.ts";

const gold = "Mia has 12 + 7 = 19 apples.\nThat is 3 * 4 = 12 apples.\nMia has 19 - 12 = 7 apples.\nA: 7";

describe("by hand", () => {
  test("the right solution is exact", () => {
    expect(checkSolution(gold, gold)).toMatchObject({ firstWrong: -1, answer: 7, answerCorrect: true, exact: true });
  });

  test("independent steps may come in either order, operands of + and * too, words do not matter", () => {
    expect(checkSolution(gold, "4*3=12\nSo 7 + 12 = 19\n19 - 12 = 7\nA: 7").exact).toBe(true);
  });

  test("a step before the one it builds on is wrong", () => {
    const checked = checkSolution(gold, "19 - 12 = 7\n12 + 7 = 19\n3 * 4 = 12\nA: 7");
    expect(checked.steps[0]).toEqual({ text: "19 - 12 = 7", valid: false, reason: "builds on a step that is missing" });
    expect(checked).toMatchObject({ firstWrong: 0, answerCorrect: true, exact: false });
  });

  test("a step that says of another person what is true of this one is wrong, and what builds on it", () => {
    const checked = checkSolution(gold, gold.replace("Mia has 12", "Tom has 12"));
    expect(checked.steps[0]).toMatchObject({ valid: false, reason: "says it of another person" });
    expect(checked.steps.map(({ valid }) => valid)).toEqual([false, true, false, false]);
  });

  test("of two persons in the right step either may be named, and a word that is no name is ignored", () => {
    const both = "Mia and Tom have 12 + 7 = 19 apples.\nA: 19";
    expect(checkSolution(both, "Tom has 12 + 7 = 19 apples.\nA: 19").exact).toBe(true);
    expect(checkSolution(both, "Everybody has 12 + 7 = 19 pears.\nA: 19").exact).toBe(true);
    expect(checkSolution(both, "Ben has 12 + 7 = 19 apples.\nA: 19").exact).toBe(false);
  });

  test("the same equation of two persons: each name takes its own step", () => {
    const twice = "Mia has 2 + 2 = 4 nuts.\nTom has 2 + 2 = 4 nuts.\nThey have 4 + 4 = 8 nuts.\nA: 8";
    const lines = ["Tom has 2 + 2 = 4 nuts.", "Mia has 2 + 2 = 4 nuts.", "Tom has 2 + 2 = 4 nuts."];
    expect(labelsOf(twice, lines.join("\n"))).toEqual([true, true, false]);
  });

  test("operands of - do not swap", () => {
    expect(labelsOf(gold, "12 + 7 = 19\n3 * 4 = 12\n12 - 19 = 7\nA: 7")).toEqual([true, true, false, false]);
  });

  test("a slip makes the step and those that build on it wrong, not an independent one", () => {
    expect(labelsOf(gold, "12 + 7 = 18\n3 * 4 = 12\n18 - 12 = 6\nA: 6")).toEqual([false, true, false, false]);
  });

  test("a repeated step is wrong, the next needed one is not", () => {
    expect(labelsOf(gold, "12 + 7 = 19\n12 + 7 = 19\n3 * 4 = 12\n19 - 12 = 7\nA: 7")).toEqual([
      true,
      false,
      true,
      true,
      true,
    ]);
  });

  test("the right answer without its steps is not valid, but correct", () => {
    const checked = checkSolution(gold, "12 + 7 = 19\nA: 7");
    expect(checked.steps[1]?.reason).toBe("steps are missing before the answer");
    expect(checked).toMatchObject({ firstWrong: 1, answerCorrect: true, exact: false });
  });

  test("an unfinished solution has no wrong step but is not exact", () => {
    expect(checkSolution(gold, "12 + 7 = 19")).toMatchObject({ firstWrong: -1, answer: undefined, exact: false });
    expect(checkSolution(gold, "")).toMatchObject({ steps: [], firstWrong: -1, answerCorrect: false, exact: false });
  });

  test("text after the answer is wrong", () => {
    expect(checkSolution(gold, `${gold}\nA: 7`)).toMatchObject({ firstWrong: 4, answer: 7, exact: false });
  });

  test("a line with more than one equation or with other numbers is not a step", () => {
    for (const line of [
      "3 + 4 = 7 = 7",
      "5 + 12 + 7 = 19",
      "2: 3 + 4 = 7",
      "-3 + 4 = 1",
      "1.3 + 4 = 7",
      "3 + 4 = 7.5",
      "19",
    ]) {
      expect(parseEquation(line)).toBeUndefined();
    }
    expect(parseEquation("Mia has 3 + 4 = 7 apples.")).toEqual({ left: 3, op: "+", right: 4, result: 7 });
  });

  test("a right solution that cannot be read is refused by name", () => {
    expect(() => checkSolution("Mia has apples.\nA: 3", gold)).toThrow(
      'the line "Mia has apples." is not one equation',
    );
    expect(() => checkSolution("3 + 4 = 8\nA: 8", gold)).toThrow("is not one equation that holds");
    expect(() => checkSolution("3 + 4 = 7", gold)).toThrow("no steps, or no last line");
  });
});

const seeds = fc.integer({ min: 0, max: 2 ** 31 });

describe("properties", () => {
  test("every generated solution is exact", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const text = generateProblem(createRng(seed)).steps.join("\n");
        return checkSolution(text, text).exact;
      }),
      { numRuns: 1000 },
    );
  });

  test("the checker agrees with a corruption's own labels and first wrong step", () => {
    fc.assert(
      fc.property(seeds, fc.constantFrom(...MISTAKE_KINDS), (seed, kind) => {
        const rng = createRng(seed);
        const problem = generateProblem(rng);
        const corrupted = corruptWith(problem, kind, rng);
        fc.pre(corrupted !== undefined);
        const checked = checkSolution(problem.steps.join("\n"), corrupted.steps.join("\n"));
        expect(checked.steps.map((step) => step.valid)).toEqual(corrupted.labels);
        expect(checked.firstWrong).toBe(corrupted.firstWrong);
        expect(checked.exact).toBe(false);
        expect(checked.answerCorrect).toBe(false);
      }),
      { numRuns: 3000 },
    );
  });

  test("any text is judged without an error, and is exact only if its lines are the right ones", () => {
    const line = fc.oneof(fc.string(), fc.constantFrom(...gold.split("\n"), "12 + 7 = 18", "A: 8", "A:"));
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), (lines) => {
        const checked = checkSolution(gold, lines.join("\n"));
        if (checked.exact) expect(checked.steps.length).toBe(4);
      }),
      { numRuns: 1000 },
    );
  });

  test("taking any line out of a right solution makes it not exact", () => {
    fc.assert(
      fc.property(seeds, fc.nat(), (seed, at) => {
        const { steps } = generateProblem(createRng(seed));
        const rest = steps.filter((_, i) => i !== at % steps.length);
        return !checkSolution(steps.join("\n"), rest.join("\n")).exact;
      }),
      { numRuns: 500 },
    );
  });
});

describe("corruptions", () => {
  const rng = createRng(3);
  const corrupted = Array.from({ length: 3000 }, () => corruptSolution(generateProblem(rng), rng));

  test("kinds are spread evenly", () => {
    for (const kind of MISTAKE_KINDS) {
      const share = corrupted.filter((solution) => solution.kind === kind).length / corrupted.length;
      expect(share).toBeGreaterThan(0.15);
      expect(share).toBeLessThan(0.25);
    }
  });

  test("numbers stay within 0 to 199", () => {
    const numbers = corrupted.flatMap(({ steps }) => steps.join("\n").match(/\d+/g) ?? []).map(Number);
    expect(Math.max(...numbers)).toBeLessThanOrEqual(199);
    expect(numbers.every(Number.isInteger)).toBe(true);
  });

  test("the first wrong step falls on every place of a six-step solution", () => {
    expect(new Set(corrupted.map(({ firstWrong }) => firstWrong))).toEqual(new Set([0, 1, 2, 3, 4, 5, 6]));
  });
});
