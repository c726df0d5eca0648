// A step on one line, against the regular expression that it replaces, and in bounded time.

import fc from "fast-check";
import { expect, test } from "vitest";
import { onOneLine } from "../../src/shared/steps.ts";

test("a line break with the spaces around it is one space", () => {
  expect(onOneLine(" a \r\n \u00a0\n b  c\n")).toBe("a b  c");
  expect(onOneLine("\n \r")).toBe("");
});

test("it is what the regular expression gave, which takes quadratic time on a run of spaces", () => {
  const text = fc.string({ unit: fc.constantFrom("a", " ", "\n", "\r", "\u00a0", "\t", "b") });
  const same = (any: string) => {
    expect(onOneLine(any)).toBe(any.replace(/\s*[\r\n]+\s*/g, " ").trim());
  };
  fc.assert(fc.property(text, same));
});

test("a long run of spaces costs no more than its length", () => {
  const start = process.cpuUsage();
  expect(onOneLine(`a${"\u00a0".repeat(500_000)}b`)).toHaveLength(500_002);
  // the regular expression takes minutes
  expect(process.cpuUsage(start).user / 1e6).toBeLessThan(2);
});
