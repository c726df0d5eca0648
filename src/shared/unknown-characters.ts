// What a vocabulary cannot write: characters that become <unk>, all the same token, so that "3 < 4" and "3 } 4" read alike.

import type { TextTokenizer } from "./tokenizer.ts";

/** Characters of texts that the tokenizer has no piece for. */
export interface UnknownCharacters {
  /** Tokens of all texts, and the unknown ones among them; a run of unknown characters is one token. */
  tokens: number;
  unknown: number;
  /** Each missing character and how often it came. */
  characters: Map<string, number>;
}

/** Counts over the texts that `add` is given; `add` returns the unknown tokens of its text. */
export interface UnknownCounter {
  readonly counts: UnknownCharacters;
  add(text: string): number;
}

/** A counter for a tokenizer; a character is looked up once. */
export function createUnknownCounter(tokenizer: TextTokenizer): UnknownCounter {
  const counts: UnknownCharacters = { tokens: 0, unknown: 0, characters: new Map() };
  const unknownId = tokenizer.unknownTokenId;
  const missing = new Map<string, boolean>();
  const isMissing = (character: string): boolean => {
    let known = missing.get(character);
    if (known === undefined) {
      known = unknownId !== undefined && tokenizer.encode(character).includes(unknownId);
      missing.set(character, known);
    }
    return known;
  };
  /** A tokenizer first takes characters apart: of "½" it reads "1⁄2", and what it lacks is "⁄". */
  const missingParts = (character: string): string[] => [...character.normalize("NFKC")].filter(isMissing);
  return {
    counts,
    add(text) {
      const ids = tokenizer.encode(text);
      const unknown = ids.reduce((sum, id) => sum + Number(id === unknownId), 0);
      counts.tokens += ids.length;
      counts.unknown += unknown;
      if (unknown > 0)
        for (const character of text)
          for (const part of missingParts(character))
            counts.characters.set(part, (counts.characters.get(part) ?? 0) + 1);
      return unknown;
    },
  };
}

/** Missing characters, the commonest first (of equal counts by code point). */
export function commonestFirst(characters: ReadonlyMap<string, number>): [character: string, count: number][] {
  return [...characters].sort(([a, n], [b, m]) => m - n || (a.codePointAt(0) ?? 0) - (b.codePointAt(0) ?? 0));
}
