// What a margin mode makes of margins, and how zero and reversed ones are counted.

import { expect, test } from "vitest";
import { applyMarginMode, reportMargins } from "../../../../src/train/recipes/dpo/margins.ts";

const margins = [0.5, 0, -0.25];

test.each([
  ["raw", [0.5, 0, -0.25]],
  ["abs", [0.5, 0, 0.25]],
  ["clamp", [0.5, 0, 0]],
  ["skip", [0.5, undefined, undefined]],
] as const)("%s makes of 0.5, 0 and -0.25: %j", (mode, expected) => {
  expect(margins.map((margin) => applyMarginMode(margin, mode))).toEqual(expected);
});

test("zero and reversed margins are counted, a millionth being zero", () => {
  expect(reportMargins([0.5, 0, -0.25, 1e-7, -1e-7])).toEqual({
    count: 5,
    mean: expect.closeTo(0.05, 12),
    zero: 3,
    reversed: 1,
  });
  expect(reportMargins([])).toEqual({ count: 0, mean: 0, zero: 0, reversed: 0 });
});
