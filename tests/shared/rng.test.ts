// Random numbers against PractRand's sfc32 (values from a separate implementation of its C source), and the state's round trip.

import fc from "fast-check";
import { expect, test } from "vitest";
import { createRng, restoreRng } from "../../src/shared/rng.ts";

test("the sequence is sfc32's", () => {
  const words = (state: readonly number[], count: number): number[] => {
    const rng = restoreRng(state);
    return Array.from({ length: count }, () => rng.next() * 2 ** 32);
  };
  expect(words([1, 2, 3, 4], 3)).toEqual([7, 34, 56623200]);
  expect(words([1, 2, 3, 4], 1000).at(-1)).toBe(1810128320);
  const far = [0xdeadbeef, 0x12345678, 0x9abcdef0, 0xffffffff];
  expect(words(far, 4)).toEqual([4041348454, 2195792579, 3074186405, 2188808789]);
});

test("a state that went through JSON goes on where it was taken", () => {
  const rng = createRng(42);
  for (let i = 0; i < 17; i++) rng.next();
  const saved: unknown = JSON.parse(JSON.stringify(rng.state()));
  const again = restoreRng(Array.isArray(saved) ? saved : []);
  expect(Array.from({ length: 20 }, again.next)).toEqual(Array.from({ length: 20 }, rng.next));
});

test("seeds give different sequences, and numbers spread evenly", () => {
  expect(createRng(1).next()).not.toBe(createRng(2).next());
  const rng = createRng(0);
  const counts = new Array<number>(10).fill(0);
  for (let i = 0; i < 10_000; i++) {
    const n = rng.int(0, 10);
    counts[n] = (counts[n] ?? 0) + 1;
  }
  // 1000 each expected, standard deviation 30
  for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
});

test("a shuffle keeps every element and leaves the list as it was", () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), fc.nat(), (list, seed) => {
      const copy = [...list];
      const shuffled = createRng(seed).shuffle(list);
      expect(list).toEqual(copy);
      expect([...shuffled].sort()).toEqual([...copy].sort());
    }),
  );
});

test("empty ranges, empty lists and states that are none are refused", () => {
  const rng = createRng(1);
  expect(() => rng.int(3, 3)).toThrow("empty range [3, 3)");
  expect(() => rng.pick([])).toThrow(RangeError);
  for (const state of [
    [1, 2, 3],
    [1, 2, 3, -1],
    [1, 2, 3, 0.5],
    [1, 2, 3, 2 ** 32],
  ]) {
    expect(() => restoreRng(state)).toThrow("four unsigned 32-bit integers");
  }
});
