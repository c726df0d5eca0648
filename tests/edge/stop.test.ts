import { describe, expect, test } from "vitest";
import { endOfStop, endOfStopAcross } from "../../src/edge/engine/stop.ts";

describe("stop strings", () => {
  test("the one that ends first counts, wherever tokens are cut", () => {
    expect(endOfStop("3 + 4 = 7\nSo", ["So", "\n"])).toBe(10);
    expect(endOfStop("abc", ["bc", "b"])).toBe(2);
  });
  test("none, or an empty one, never ends a text", () => {
    expect(endOfStop("abc", ["x", ""])).toBeUndefined();
  });
  test("one that begins in what was written before ends in what is new", () => {
    expect(endOfStopAcross("3 + 4 = 7\n", "So he has 7", ["7\nSo"])).toBe(2);
    expect(endOfStopAcross("7\n", "So", ["o", "\nSo", "\nS"])).toBe(1);
    expect(endOfStopAcross("", "3\n", ["\n"])).toBe(2);
    // what lies in the old text alone ended nothing
    expect(endOfStopAcross("aba", "c", ["ab", ""])).toBeUndefined();
  });
});
