// What of a request the vocabulary lacks, with a tokenizer that tells how often it is asked.

import { expect, test } from "vitest";
import type { TextTokenizer } from "../../src/shared/tokenizer.ts";
import { createUnknownText, joinUnknown } from "../../src/shared/unknown-characters.ts";

const UNKNOWN = 2;

/** Knows every character from "a" on; one token a character, without an end. */
function countingTokenizer(): TextTokenizer & { asked: number } {
  return {
    asked: 0,
    encode(text) {
      this.asked += 1;
      return [...text].map((character) => (character < "a" ? UNKNOWN : 5));
    },
    decode: () => "",
    size: 6,
    yesTokenId: 3,
    noTokenId: 4,
    unknownTokenId: UNKNOWN,
  };
}

test("a text without unknown tokens costs no look-up, and finds nothing", () => {
  const tokenizer = countingTokenizer();
  const unknown = createUnknownText(tokenizer);
  unknown.add("abc", [5, 5, 5]);
  expect(unknown.found()).toBeUndefined();
  expect(tokenizer.asked).toBe(0);
});

test("a character is looked up once, whatever the requests", () => {
  const tokenizer = countingTokenizer();
  for (let request = 0; request < 3; request++) {
    const unknown = createUnknownText(tokenizer);
    unknown.add("a1a1", [5, UNKNOWN, 5, UNKNOWN]);
    unknown.add("1", [UNKNOWN]);
    expect(unknown.found()).toEqual({ tokens: 3, characters: ["1"] });
  }
  expect(tokenizer.asked).toBe(2);
});

test("a text of very many characters is looked up in 512 of them; the count stays exact", () => {
  const tokenizer = countingTokenizer();
  const unknown = createUnknownText(tokenizer);
  const known = Array.from({ length: 5_000 }, (_, at) => String.fromCodePoint(0x4e00 + at)).join("");
  unknown.add(`${known}1`, [...Array.from({ length: 5_000 }, () => 5), UNKNOWN]);
  expect(unknown.found()).toEqual({ tokens: 1, characters: [] });
  expect(tokenizer.asked).toBe(512);
});

test("several texts add up and name 20 characters at most, each once", () => {
  const many = Array.from({ length: 15 }, (_, at) => String.fromCodePoint(0x4e00 + at));
  const joined = joinUnknown([
    { tokens: 15, characters: many },
    undefined,
    { tokens: 7, characters: [...many.slice(10), ..."<>{}[]"] },
  ]);
  expect(joined).toEqual({ tokens: 22, characters: [...many, ..."<>{}["] });
  expect(joinUnknown([undefined])).toBeUndefined();
});
