// Corrupted copies: what is exchanged, of which solutions, and that nothing is claimed of them.

import { expect, test } from "vitest";
import { createRng } from "../../../../src/shared/rng.ts";
import { corruptedCopies, followersIn } from "../../../../src/train/recipes/reward/corrupted-copies.ts";
import type { LabelledTokens } from "../../../../src/train/recipes/reward/solution-targets.ts";

const right: LabelledTokens = {
  promptIds: [9, 1],
  decoderIds: [0, ...Array.from({ length: 40 }, (_, i) => 10 + (i % 4)), 1],
  stepEnds: [41],
  labels: [1],
};
const other: LabelledTokens = { ...right, decoderIds: right.decoderIds.map((id) => (id === 12 ? 22 : id)) };

test("followers are counted by the token before", () => {
  const followers = followersIn([{ ...right, decoderIds: [0, 10, 11, 10, 12, 1] }]);
  expect(Object.fromEntries(followers)).toEqual({ 0: [10], 10: [11, 12], 11: [10], 12: [1] });
});

test("some tokens become others that follow the same token; length, start and end stay", () => {
  const [copy] = corruptedCopies([right], 1, followersIn([right, other]), createRng(3));
  const ids = copy?.decoderIds ?? [];
  expect(ids).toHaveLength(42);
  expect([ids[0], ids.at(-1)]).toEqual([0, 1]);
  const changed = ids.filter((id, t) => id !== right.decoderIds[t]);
  expect(changed.length).toBeGreaterThan(0);
  expect(changed.length).toBeLessThan(20);
  for (const id of changed) expect([10, 11, 12, 13, 22]).toContain(id);
  expect(copy?.labels).toEqual([undefined]);
});

test("only right solutions are copied, as many as are wanted", () => {
  const wrong = { ...right, labels: [0] };
  const followers = followersIn([right]);
  expect(corruptedCopies([wrong, right, right, right], 2, followers, createRng(3))).toHaveLength(2);
  expect(corruptedCopies([wrong], 2, followers, createRng(3))).toEqual([]);
});
