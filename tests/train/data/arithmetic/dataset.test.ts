// The committed data file is what the generator makes.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { labelsOf } from "../../../../src/train/data/arithmetic/checker.ts";
import { datasetText, generateRecords } from "../../../../src/train/data/arithmetic/dataset.ts";
import { problemSplit } from "../../../../src/train/data/arithmetic/split.ts";

const records = generateRecords(2400, 42);

test("data/raw/synthetic_prm.json is made byte for byte by the default command", () => {
  const file = readFileSync(new URL("../../../../data/raw/synthetic_prm.json", import.meta.url), "utf8");
  expect(datasetText(records, 42) === file).toBe(true);
});

test("prompts are unique and all of the preference split", () => {
  expect(new Set(records.map(({ prompt }) => prompt)).size).toBe(2400);
  expect(records.every(({ prompt }) => problemSplit(prompt) === "preference")).toBe(true);
});

test("the labels beside the solutions are what the checker finds", () => {
  for (const { chosen, rejected, chosen_labels, rejected_labels, first_wrong } of records) {
    expect(labelsOf(chosen, chosen)).toEqual(chosen_labels);
    expect(labelsOf(chosen, rejected)).toEqual(rejected_labels);
    expect(rejected_labels.indexOf(false)).toBe(first_wrong);
  }
});

test("a range of steps is kept to: the answer line comes beside", () => {
  const counts = generateRecords(40, 3, { minSteps: 6, maxSteps: 7 }).map(({ chosen }) => chosen.split("\n").length);
  expect(new Set(counts)).toEqual(new Set([7, 8]));
});

test("another seed gives other problems, a count below one is refused", () => {
  expect(generateRecords(3, 1)).not.toEqual(generateRecords(3, 2));
  expect(() => generateRecords(0, 1)).toThrow("cannot make 0 problems (--problems)");
});
