// Where a wrong solution leaves a right one of the same question.

import { expect, test } from "vitest";
import { withDivergences } from "../../../../src/train/recipes/reward/divergence.ts";
import type { LabelledTokens } from "../../../../src/train/recipes/reward/solution-targets.ts";

// <start> a b \n c d \n e </s>
const right: LabelledTokens = {
  promptIds: [9, 1],
  decoderIds: [0, 10, 11, 3, 12, 13, 3, 14, 1],
  stepEnds: [3, 6, 8],
  labels: [1, 1, 1],
};
const divergenceOf = (wrong: LabelledTokens, others: LabelledTokens[] = [right]) =>
  withDivergences([wrong, ...others])[0]?.divergence;

test("it is the first token of the wrong step that the right solution does not have, and the one that it has", () => {
  const wrong = { ...right, decoderIds: [0, 10, 11, 3, 12, 20, 3, 14, 1], labels: [1, 0, 0] };
  expect(divergenceOf(wrong)).toEqual({ at: 5, token: 13 });
});

test("a right solution has none, nor one of another question or with other steps before", () => {
  const wrong = { ...right, decoderIds: [0, 10, 11, 3, 12, 20, 3, 14, 1], labels: [1, 0, 0] };
  expect(divergenceOf(right, [wrong])).toBeUndefined();
  expect(divergenceOf(wrong, [{ ...right, promptIds: [8, 1] }])).toBeUndefined();
  const later = { ...right, decoderIds: [0, 10, 20, 3, 12, 21, 3, 14, 1], labels: [1, 0, 0] };
  expect(divergenceOf(later)).toBeUndefined();
});

test("of several right solutions it is the one that is followed longest", () => {
  const wrong = { ...right, decoderIds: [0, 10, 11, 3, 12, 20, 3, 14, 1], labels: [1, 0, 0] };
  const other = { ...right, decoderIds: [0, 10, 11, 3, 30, 31, 3, 14, 1] };
  expect(divergenceOf(wrong, [other, right])).toEqual({ at: 5, token: 13 });
});

test("a wrong step that ends too early diverges at its end", () => {
  const short = { promptIds: [9, 1], decoderIds: [0, 10, 11, 3, 12, 3, 14, 1], stepEnds: [3, 5, 7], labels: [1, 0, 0] };
  expect(divergenceOf(short)).toEqual({ at: 5, token: 13 });
});

test("a right solution that is itself wrong later still tells what comes first", () => {
  const wrong = { ...right, decoderIds: [0, 10, 20, 3, 12, 13, 3, 14, 1], labels: [0, 0, 0] };
  expect(divergenceOf(wrong, [{ ...right, labels: [1, 0, 0] }])).toEqual({ at: 2, token: 11 });
});
