// The tokens of steps that are already written, as the decoder is forced through them: the newline after the last one included.

import type { TextTokenizer } from "../../../shared/tokenizer.ts";

/** Ids of `prefix` (steps, one a line) with the newline that ends it; none for an empty prefix. */
export function prefixIds(tokenizer: TextTokenizer, prefix: string): number[] {
  return prefix === "" ? [] : tokenizer.encode(`${prefix}\n`).slice(0, -1);
}

/** The id of the newline token: the last before EOS of a line that ends in one. */
export function newlineTokenId(tokenizer: TextTokenizer): number | undefined {
  const id = tokenizer.encode("\n").at(-2);
  return id !== undefined && tokenizer.decode([id]) === "\n" ? id : undefined;
}
