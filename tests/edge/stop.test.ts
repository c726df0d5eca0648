import { describe, expect, test } from "vitest";
import { endOfStop } from "../../src/edge/engine/stop.ts";

describe("stop strings", () => {
  test("the one that ends first counts, wherever tokens are cut", () => {
    expect(endOfStop("3 + 4 = 7\nSo", ["So", "\n"])).toBe(10);
    expect(endOfStop("abc", ["bc", "b"])).toBe(2);
  });
  test("none, or an empty one, never ends a text", () => {
    expect(endOfStop("abc", ["x", ""])).toBeUndefined();
  });
});
