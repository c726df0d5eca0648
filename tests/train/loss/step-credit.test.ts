// What the steps of a solution count in a loss, against sums by hand.

import { expect, test } from "vitest";
import { fullStepWeights, stepAdvantages } from "../../../src/train/loss/step-credit.ts";

function expectRows(
  actual: readonly (readonly number[])[],
  expected: readonly (readonly number[])[],
  digits = 5,
): void {
  expect(actual.map((row) => row.length)).toEqual(expected.map((row) => row.length));
  actual.forEach((row, r) => {
    row.forEach((value, k) => {
      expect(value).toBeCloseTo(expected[r]?.[k] ?? Number.NaN, digits);
    });
  });
}

test("equal scores weigh every step 1: full-step DPO is then plain DPO; so does gamma 0", () => {
  expectRows([fullStepWeights([0.7, 0.7, 0.7], "rejected", 3)], [[1, 1, 1]]);
  expectRows([fullStepWeights([0, 1], "chosen", 0)], [[1, 1]]);
});

test("a chosen step of score 1 beside one of 0 counts e times as much, a rejected one the e-th part", () => {
  // 2 / (1 + e) = 0.5378828, 2 e / (1 + e) = 1.4621172
  expectRows([fullStepWeights([0, 1], "chosen", 1)], [[0.5378828, 1.4621172]]);
  expectRows([fullStepWeights([0, 1], "rejected", 1)], [[1.4621172, 0.5378828]]);
  expectRows([fullStepWeights([0, 1], "chosen", 1000)], [[0, 2]]);
});

test("process: scores are normalised over all steps of the group and summed to the end", () => {
  // scores 1 1 | 1 0: mean 3/4, deviation sqrt(((1/4)^2 * 3 + (3/4)^2) / 3) = 1/2; normalised 1/2 and -3/2
  const group = [{ scores: [1, 1] }, { scores: [1, 0] }];
  expectRows(
    stepAdvantages(group, "process"),
    [
      [1, 0.5],
      [-1, -1.5],
    ],
    3,
  );
});

test("progress: value after the step minus value before it, the group's mean where nothing is written yet", () => {
  // final values 1 and 0, mean 1/2: the wrong second step loses what the right first one had won
  const group = [{ scores: [1, 1] }, { scores: [1, 0, 1] }];
  expectRows(stepAdvantages(group, "progress"), [
    [0.5, 0],
    [0.5, -1, 0],
  ]);
});

test("outcome: the solution's value, normalised over the group, on every step", () => {
  // values 1 and 0: mean 1/2, deviation sqrt(1/2) = 0.7071068; (1/2) / (0.7071068 + 0.0001) = 0.7070068
  const group = [{ scores: [1, 1] }, { scores: [1, 0, 1] }];
  expectRows(stepAdvantages(group, "outcome"), [
    [0.7070068, 0.7070068],
    [-0.7070068, -0.7070068, -0.7070068],
  ]);
});

test("a solution that stops too early, its steps all right, loses at its last step", () => {
  const group = [
    { scores: [1, 1], right: true },
    { scores: [1, 1], right: false },
  ];
  expectRows(stepAdvantages(group, "progress"), [
    [0.5, 0],
    [0.5, -1],
  ]);
});

test("a group of equal outcomes has no outcome advantage, and one without spread is not blown up", () => {
  const same = [
    { scores: [1], right: true },
    { scores: [1], right: true },
  ];
  for (const kind of ["process", "progress", "outcome"] as const) expectRows(stepAdvantages(same, kind), [[0], [0]]);
});
