// How the judge's examples are shared out over two processes: by tokens, the other tasks counted.

import { expect, test } from "vitest";
import type { Example } from "../../../../src/train/recipes/pretrain/examples.ts";
import { shareOut } from "../../../../src/train/recipes/pretrain/recipe.ts";

const example = (tokens: number): Example => ({ input: new Array(tokens - 1).fill(1), labels: [1], targets: [] });
const counts = (judge: Example[], others: Example[]): number[] => {
  const { here, there } = shareOut(judge, others);
  expect([...here, ...there]).toEqual(judge);
  return [here.length, there.length];
};

test("both processes get as many tokens as whole examples allow", () => {
  const ten = Array.from({ length: 10 }, () => example(20));
  expect(counts(ten, [])).toEqual([5, 5]);
  expect(counts(ten, [example(40), example(40)])).toEqual([3, 7]);
  expect(counts(ten, [example(50)])).toEqual([3, 7]);
});

test("all go to the second process when the first has as much to do without them", () => {
  expect(counts([example(20), example(20)], [example(40)])).toEqual([0, 2]);
  expect(counts([], [example(40)])).toEqual([0, 0]);
});
