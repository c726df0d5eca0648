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

/** What of one request the vocabulary lacks. */
export interface UnknownText {
  /** Unknown tokens among those that the model reads. */
  tokens: number;
  /** Characters that they stand for, each once, in the order of the texts: the first 20. */
  characters: string[];
}

/** Characters that are named at most. */
export const MAX_NAMED = 20;
/** Characters of one request that are looked up, some 30 µs each; those that are known from before cost nothing. */
const MAX_LOOKUPS = 512;
const MAX_REMEMBERED = 4096;
const remembered = new WeakMap<TextTokenizer, Map<string, boolean>>();

/** Takes texts that are encoded already; `found` is undefined while every token is known. The cost is linear in the texts. */
export function createUnknownText(tokenizer: TextTokenizer) {
  const { unknownTokenId: unknownId } = tokenizer;
  const known = remembered.get(tokenizer) ?? new Map<string, boolean>();
  remembered.set(tokenizer, known);
  const seen = new Set<string>();
  const named = new Set<string>();
  let tokens = 0;
  let lookups = 0;
  const isMissing = (character: string): boolean => {
    const before = known.get(character);
    if (before !== undefined) return before;
    lookups += 1;
    const missing = unknownId !== undefined && tokenizer.encode(character).includes(unknownId);
    if (known.size >= MAX_REMEMBERED) known.clear();
    known.set(character, missing);
    return missing;
  };
  const name = (text: string): void => {
    for (const character of text) {
      if (seen.has(character)) continue;
      for (const part of character.normalize("NFKC")) {
        if (named.size >= MAX_NAMED || lookups >= MAX_LOOKUPS) return;
        if (isMissing(part)) named.add(part);
      }
      seen.add(character);
    }
  };
  return {
    add(text: string, ids: readonly number[]): void {
      const unknown = ids.reduce((sum, id) => sum + Number(id === unknownId), 0);
      tokens += unknown;
      if (unknown > 0) name(text);
    },
    found: (): UnknownText | undefined => (tokens === 0 ? undefined : { tokens, characters: [...named] }),
  };
}

/** What several texts of one request or record lack. */
export function joinUnknown(texts: readonly (UnknownText | undefined)[]): UnknownText | undefined {
  const found = texts.filter((text) => text !== undefined);
  if (found.length === 0) return undefined;
  const tokens = found.reduce((sum, text) => sum + text.tokens, 0);
  return { tokens, characters: [...new Set(found.flatMap(({ characters }) => characters))].slice(0, MAX_NAMED) };
}
