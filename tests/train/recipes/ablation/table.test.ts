// Four problems, two seeds; every expected number is worked out by hand beside it.

import { expect, test } from "vitest";
import { type Figures, pooled } from "../../../../src/train/recipes/ablation/figures.ts";
import { variantRows, variantTable } from "../../../../src/train/recipes/ablation/table.ts";

const ones = [1, 1, 1, 1];
const column = (sums: number[], counts = ones) => ({ sums, counts });
const figures = (exact: number[], valid: number[], steps: number[]): Figures => ({
  exact_match: column(exact),
  answer_accuracy: column(exact),
  step_validity: column(valid, steps),
  repetition_rate: column([0, 0, 0, 0]),
});

const base = figures([1, 0, 0, 0], [2, 1, 1, 0], [2, 2, 2, 2]); // 1/4 exact, 4/8 steps valid
const outcome = (own: Figures, pairs: number, seconds: number) => ({
  key: "k",
  pairs,
  steps: 10,
  train_seconds: seconds,
  figures: own,
});
const first = figures([1, 1, 0, 0], [2, 2, 1, 0], [2, 2, 2, 2]); // 2/4, 5/8
const second = figures([1, 1, 1, 0], [2, 2, 2, 1], [2, 2, 2, 2]); // 3/4, 7/8

test("a problem's observations of all seeds are pooled", () => {
  expect(pooled([first.step_validity, second.step_validity])).toEqual({ sums: [4, 4, 3, 1], counts: [4, 4, 4, 4] });
});

test("gains are the pooled figure minus the base model's", () => {
  const [row] = variantRows(base, [
    { name: "v", what: "w", outcomes: [outcome(first, 10, 3), outcome(second, 20, 5)] },
  ]);
  expect(row?.exactMatch.value).toBeCloseTo(5 / 8, 12); // (2 + 3) of 8
  expect(row?.exactGain.value).toBeCloseTo(5 / 8 - 1 / 4, 12);
  expect(row?.validityGain.value).toBeCloseTo(12 / 16 - 4 / 8, 12);
  expect(row?.repetitionGain.value).toBe(0);
  expect(row?.bySeed).toEqual([0.5, 0.75]);
  expect(row?.pairs).toBe(15);
  expect(row?.seconds).toBe(4);
});

test("the intervals of a gain lie around it, and are paired: a variant equal to the base has none", () => {
  const rows = variantRows(base, [
    { name: "same", what: "", outcomes: [outcome(base, 1, 1)] },
    { name: "better", what: "", outcomes: [outcome(second, 1, 1)] },
  ]);
  expect(rows[0]?.exactGain).toEqual({ value: 0, low: 0, high: 0 });
  const gain = rows[1]?.exactGain;
  expect(gain?.low).toBeLessThan(gain?.value ?? 0);
  expect(gain?.high).toBeGreaterThan(gain?.value ?? 1);
});

test("the table gives shares in percent and gains in points", () => {
  const rows = variantRows(base, [{ name: "v", what: "words", outcomes: [outcome(first, 10, 3)] }]);
  const [, , baseLine, line] = variantTable(base, rows).split("\n");
  expect(baseLine).toBe("| base | the model before training | – | 25.0 | – | – | 50.0 % | 0.0 % | – |");
  expect(line).toMatch(
    /^\| v \| words \| 10 \| 50\.0 \| \+25\.0 \[.+\] \| 50\.0 \| \+12\.5 \[.+\] \| \+0\.0 \[.+\] \| 3 \|$/,
  );
});

test("the interval of a gain over seeds is no narrower than Student's t over the seeds' own gains", () => {
  const [row] = variantRows(base, [{ name: "v", what: "", outcomes: [outcome(first, 1, 1), outcome(second, 1, 1)] }]);
  // gains 1/4 and 1/2: mean 3/8, deviation 0.1767767; 12.7062 * 0.1767767 / sqrt 2 = 1.588275
  expect(row?.exactGain.low).toBeCloseTo(0.375 - 1.588275, 4);
  expect(row?.exactGain.high).toBeCloseTo(0.375 + 1.588275, 4);
});
