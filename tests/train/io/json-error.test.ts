// The place of a JSON error, counted by hand; and agreement with JSON.parse on what is broken at all.

import fc from "fast-check";
import { expect, test } from "vitest";
import { jsonErrorOffset, jsonErrorPosition } from "../../../src/train/io/json-error.ts";

test("the place is that of the first token that cannot stand there", () => {
  expect(jsonErrorPosition('[\n{"a": 1},\n{"a": 2,}\n]')).toEqual({ line: 3, column: 9 });
  expect(jsonErrorPosition('{"a" 1}')).toEqual({ line: 1, column: 6 });
  expect(jsonErrorPosition("[1 2]")).toEqual({ line: 1, column: 4 });
  expect(jsonErrorPosition("[1, tru]")).toEqual({ line: 1, column: 5 });
  expect(jsonErrorPosition('["a\nb"]')).toEqual({ line: 1, column: 2 });
  expect(jsonErrorPosition('[{"a": [1, 2}]')).toEqual({ line: 1, column: 13 });
  expect(jsonErrorPosition("[]\n]")).toEqual({ line: 2, column: 1 });
});

test("a text that ends too early is broken at its end", () => {
  expect(jsonErrorPosition('[\n{"a": 1},\n')).toEqual({ line: 3, column: 1 });
  expect(jsonErrorOffset("")).toBe(0);
});

test("it finds an error exactly when JSON.parse does", () => {
  const damaged = fc
    .tuple(fc.json(), fc.nat(), fc.constantFrom("", ",", "}", "]", '"', ":", "1", "x", "\n", "\\"))
    .map(([json, at, put]) => {
      const offset = at % (json.length + 1);
      return json.slice(0, offset) + put + json.slice(offset + 1);
    });
  fc.assert(
    fc.property(fc.oneof(fc.json(), damaged), (text) => {
      let isBroken = false;
      try {
        JSON.parse(text);
      } catch {
        isBroken = true;
      }
      expect(jsonErrorOffset(text) >= 0).toBe(isBroken);
    }),
    { numRuns: 3000 },
  );
});
