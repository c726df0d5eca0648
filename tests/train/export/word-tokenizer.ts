// A tokenizer whose token i is the word "w<i>", so that golden token ids can be written as text; no golden text has token 9, which is
// the newline.

import { newlineDecoder } from "../../../src/shared/newline-token.ts";

const NEWLINE_ID = 9;

const added = (id: number, content: string, special: boolean) => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special,
});

/**
 * tokenizer.json of a T5 (Unigram, Metaspace, `</s>` at the end) with `vocabSize` tokens; 0 is padding, 1 the end.
 * Without a newline it is like a stock T5's.
 */
export function wordTokenizerJson(vocabSize: number, newline = true): object {
  const vocab = Array.from({ length: vocabSize }, (_, id) => [["<pad>", "</s>"][id] ?? `▁w${id}`, id < 2 ? 0 : -1]);
  const metaspace = { type: "Metaspace", replacement: "▁", prepend_scheme: "always", split: true };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [
      added(0, "<pad>", true),
      added(1, "</s>", true),
      ...(newline ? [added(NEWLINE_ID, "\n", false)] : []),
    ],
    normalizer: null,
    pre_tokenizer: metaspace,
    post_processor: {
      type: "TemplateProcessing",
      single: [{ Sequence: { id: "A", type_id: 0 } }, { SpecialToken: { id: "</s>", type_id: 0 } }],
      pair: [{ Sequence: { id: "A", type_id: 0 } }, { SpecialToken: { id: "</s>", type_id: 0 } }],
      special_tokens: { "</s>": { id: "</s>", ids: [1], tokens: ["</s>"] } },
    },
    decoder: newline ? newlineDecoder(metaspace) : metaspace,
    model: { type: "Unigram", unk_id: 0, vocab },
  };
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
