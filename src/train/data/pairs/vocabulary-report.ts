// What the tokenizer loses of the data, told before any training: unknown tokens, the characters that they stand for, and pairs whose sides become
// the same tokens.

import { InputError } from "../../../shared/errors.ts";
import type { Pair } from "../../../shared/records.ts";
import type { TextTokenizer } from "../../../shared/tokenizer.ts";
import { commonestFirst, createUnknownCounter, type UnknownCharacters } from "../../../shared/unknown-characters.ts";

/**
 * Share of unknown tokens above which a run warns: one token in a thousand. A solution has some two hundred, so that below it four of five
 * solutions are whole; above it what is lost is part of how the data are written.
 */
export const MAX_UNKNOWN_SHARE = 0.001;

const LISTED = 20;

/** Unknown tokens of prompts and both sides. */
export function unknownInPairs(pairs: readonly Pair[], tokenizer: TextTokenizer): UnknownCharacters {
  const counter = createUnknownCounter(tokenizer);
  for (const { prompt, prefix, chosen, rejected } of pairs)
    for (const text of [prompt, prefix, chosen, rejected]) if (text !== undefined) counter.add(text);
  return counter.counts;
}

/** Lines for the user. */
export function describeUnknown({ tokens, unknown, characters }: UnknownCharacters): string[] {
  const share = unknown / Math.max(1, tokens);
  if (unknown === 0) return ["unknown tokens: none"];
  const listed = commonestFirst(characters).slice(0, LISTED);
  const lines = [
    `unknown tokens: ${unknown} of ${tokens} (${(100 * share).toFixed(share < 0.001 ? 4 : 2)} %), for ${listed.map(([character, count]) => `${character} ${count}`).join(", ")}`,
  ];
  if (share > MAX_UNKNOWN_SHARE)
    lines.push(
      "warning: the vocabulary lacks these characters; all of them become the same token, which the model can neither tell apart nor write. " +
        "--add-tokens auto gives them tokens of their own",
    );
  return lines;
}

/** Throws InputError when more is lost than a run may lose. */
export function checkUnknown(counts: UnknownCharacters, where: string): void {
  const { tokens, unknown, characters } = counts;
  if (unknown <= MAX_UNKNOWN_SHARE * tokens) return;
  const first = commonestFirst(characters).slice(0, 5);
  throw new InputError({
    code: "unknown_characters",
    what: `${unknown} of ${tokens} tokens are unknown, for ${first.map(([character]) => character).join(" ")} and others`,
    where,
    fix: "Give them tokens with --add-tokens auto, or leave out --strict-vocabulary.",
  });
}
