// Problems that are equal beneath their words, by hand.

import { expect, test } from "vitest";
import { countLeaks, problemShape } from "../../../../src/train/data/arithmetic/likeness.ts";

const MIA = "Mia has 12 apples. Then she gets 7 apples from Tom. How many apples does Mia have now?";
const BEN = "Ben has 12 rings. Then he gets 7 rings from Ana. How many rings does Ben have now?";
const OTHER_NUMBERS = BEN.replace("12", "30");

test("persons, their pronouns and things are named by the order of their coming", () => {
  expect(problemShape(MIA, "names")).toBe("P1 has 12 I1. Then he gets 7 I1 from P2. How many I1 does P1 have now?");
});

test("another person with other things has the same problem; with other numbers only up to numbers", () => {
  expect(problemShape(BEN, "names")).toBe(problemShape(MIA, "names"));
  expect(problemShape(OTHER_NUMBERS, "names")).not.toBe(problemShape(MIA, "names"));
  expect(problemShape(OTHER_NUMBERS, "numbers")).toBe(problemShape(MIA, "numbers"));
});

test("who gives to whom matters, and so do other words", () => {
  const swapped = "Mia has 12 apples. Then she gets 7 apples from Tom. How many apples does Tom have now?";
  expect(problemShape(swapped, "numbers")).not.toBe(problemShape(MIA, "numbers"));
  expect(problemShape(MIA.replace("Then", "Later"), "numbers")).not.toBe(problemShape(MIA, "numbers"));
});

test("a split beside itself, drawn alike, is all leak; two splits share less", () => {
  const draw = { problems: 40, others: 40, seed: 5, otherSeed: 5 };
  expect(countLeaks({ split: "heldout", other: "heldout" }, draw).alike).toEqual({ names: 40, numbers: 40 });
  const { alike, bySteps } = countLeaks({ split: "heldout", other: "preference" }, draw);
  expect(alike.names).toBeLessThanOrEqual(alike.numbers);
  expect(alike.numbers).toBeLessThan(40);
  const problems = Object.values(bySteps).reduce((sum, own) => sum + own.problems, 0);
  expect(problems).toBe(40);
});
