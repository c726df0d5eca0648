// Numbers that do not matter, and first amounts that are named last: the words by hand, and what every problem with traps keeps.

import { expect, test } from "vitest";
import { createRng } from "../../../../src/shared/rng.ts";
import type { Draft } from "../../../../src/train/data/arithmetic/draft.ts";
import { generateProblem } from "../../../../src/train/data/arithmetic/generate.ts";
import { addDistractor, nameStartLate } from "../../../../src/train/data/arithmetic/traps.ts";
import { fillTemplate } from "../../../../src/train/data/arithmetic/wording.ts";

/** Mia has 12 apples. Then she buys 5 more apples. She loses 3 apples. How many apples does Mia have? With numbers up to `maxValue`. */
function draft(maxValue: number): Draft {
  const own = { before: "Mia has", after: "apples", rightFrom: -1 };
  return {
    cast: { name: "Mia", pronoun: "She", other: "Tom", items: "apples", containers: "boxes" },
    isFood: true,
    maxValue,
    amount: { value: 14, from: 1 },
    sentences: [
      { template: "{N} has {a} {i}.", slots: { subject: "She", a: 12, b: undefined } },
      { template: "{S} buys {a} more {i}.", slots: { subject: "Then she", a: 5, b: undefined } },
      { template: "{S} loses {a} {i}.", slots: { subject: "She", a: 3, b: undefined } },
      { template: "How many {i} does {N} have?", slots: { subject: "She", a: undefined, b: undefined } },
    ],
    equations: [
      { ...own, left: 12, op: "+", right: 5, result: 17, leftFrom: -1 },
      { ...own, left: 17, op: "-", right: 3, result: 14, leftFrom: 0 },
    ],
    taken: new Set([12, 17, 14]),
  };
}
const textOf = ({ cast, sentences }: Draft): string =>
  sentences.map(({ template, slots }) => fillTemplate(template, cast, slots)).join(" ");

test("the first amount is named right before the question, and the person where the story begins", () => {
  const late = draft(30);
  expect(nameStartLate(late)).toBe(true);
  expect(textOf(late)).toBe(
    "Mia buys 5 more apples. She loses 3 apples. Mia starts with 12 apples. How many apples does Mia have?",
  );
});

test("a distractor is another person's number, none of the solution's, between the first sentence and the question", () => {
  for (let seed = 0; seed < 40; seed++) {
    const one = draft(17);
    expect(addDistractor(one, createRng(seed))).toBe(true);
    const at = one.sentences.findIndex(({ template }) => template === "{T} has {a} {i}.");
    expect(at >= 1 && at <= 3).toBe(true);
    // of 2 to 17 all but 3, 5, 12, 14 and 17
    expect([2, 4, 6, 7, 8, 9, 10, 11, 13, 15, 16]).toContain(one.sentences[at]?.slots.a);
    expect(textOf(one)).toContain(`Tom has ${one.sentences[at]?.slots.a} apples.`);
  }
});

test("neither has a place in a problem about two persons, or one that begins with another's deed", () => {
  const together = draft(30);
  together.sentences.splice(3, 1, {
    template: "How many {i} do they have together?",
    slots: { subject: "", a: undefined, b: undefined },
  });
  expect(addDistractor(together, createRng(1))).toBe(false);
  const given = draft(30);
  given.sentences.splice(1, 1, { template: "{T} gives {o} {a} {i}.", slots: { subject: "", a: 5, b: undefined } });
  expect(nameStartLate(given)).toBe(false);
});

test("problems of 7 to 12 steps with traps: about half of each, the solution's numbers all in the question", () => {
  const rng = createRng(11);
  const problems = Array.from({ length: 200 }, () => generateProblem(rng, { minSteps: 7, maxSteps: 12, traps: true }));
  const late = problems.filter(({ prompt }) => /starts with \d+ \w+\. How many/.test(prompt));
  const distracted = problems.filter(({ prompt }) => /(?<!^)\b\w+ has \d+ \w+\. /.test(prompt.slice(1)));
  expect(late.length).toBeGreaterThan(60);
  expect(late.length).toBeLessThan(140);
  expect(distracted.length).toBeGreaterThan(40);
  expect(distracted.length).toBeLessThan(140);
  for (const { equations, prompt } of problems) {
    expect(equations.length >= 7 && equations.length <= 12).toBe(true);
    const said = (prompt.match(/\d+/g) ?? []).map(Number);
    for (const { left, leftFrom } of equations) if (leftFrom === -1) expect(said).toContain(left);
  }
});
