// A faster encoder for a tokenizer that cuts at spaces and newlines before it looks at pieces (Metaspace, as T5's does): every word is
// encoded once and remembered. Ids are those of the tokenizer itself (tests/train/pretrain/word-cache.test.ts).

import type { TextTokenizer } from "../../../shared/tokenizer.ts";

/** Wraps `encode`; texts must be single-spaced, without spaces around newlines. */
export function withWordCache(tokenizer: TextTokenizer): TextTokenizer {
  const known = new Map<string, number[]>();
  const eos = tokenizer.encode("").at(-1);
  const pieces = (word: string): number[] => {
    let ids = known.get(word);
    if (ids === undefined) {
      ids = tokenizer.encode(word).slice(0, -1);
      known.set(word, ids);
    }
    return ids;
  };
  const encode = (text: string): number[] => {
    const ids: number[] = [];
    text.split("\n").forEach((line, i) => {
      if (i > 0) ids.push(...pieces("\n"));
      for (const word of line.split(" ")) ids.push(...pieces(word));
    });
    if (eos !== undefined) ids.push(eos);
    return ids;
  };
  return { ...tokenizer, encode };
}
