// A tokenizer whose token i is the word "w<i>", so that golden token ids can be written as text; no golden text has token 9, which is
// the newline.

import { newlineDecoder } from "../../../../src/shared/newline-token.ts";
import { specials, t5TokenizerJson } from "../../../t5-tokenizer.ts";

const NEWLINE_ID = 9;

/**
 * tokenizer.json of a T5 (Unigram, Metaspace, `</s>` at the end) with `vocabSize` tokens; 0 is padding, 1 the end.
 * Without a newline it is like a stock T5's.
 */
export function wordTokenizerJson(vocabSize: number, newline = true): object {
  const pieces = Array.from({ length: vocabSize }, (_, id): [string, number] => [
    ["<pad>", "</s>"][id] ?? `▁w${id}`,
    id < 2 ? 0 : -1,
  ]);
  const tokens = specials("<pad>", "</s>");
  if (!newline) return t5TokenizerJson(pieces, tokens, { unkId: 0 });
  const withNewline = [...tokens, { id: NEWLINE_ID, content: "\n", special: false }];
  return t5TokenizerJson(pieces, withNewline, { unkId: 0, decoder: newlineDecoder });
}

export const WORD_TOKENIZER_CONFIG = {
  tokenizer_class: "T5Tokenizer",
  eos_token: "</s>",
  pad_token: "<pad>",
  unk_token: "<pad>",
  clean_up_tokenization_spaces: false,
};

/** The text of token ids, padding and end dropped. */
export function wordsOf(ids: readonly number[]): string {
  return ids
    .filter((id) => id > 1)
    .map((id) => `w${id}`)
    .join(" ");
}
