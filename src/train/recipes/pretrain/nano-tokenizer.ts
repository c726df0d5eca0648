// The small base model's tokenizer, in tokenizer.json form: a Unigram model over whole words, single digits and single characters,
// with "\n" as an added token. Words score above their letters, so known words are one piece and any other ASCII text still encodes.

import { newlineDecoder } from "../../../shared/newline-token.ts";

const SPECIAL = ["<pad>", "</s>", "<unk>"] as const;
const WORD_SCORE = -2;
const CHARACTER_SCORE = -10;

/** Words of the judge prompt and answers (src/shared/prompts.ts), which problems do not contain. */
const JUDGE_WORDS =
  "Question : Reasoning so far : none . Next step : Is the next step correct ? Answer yes or no .".split(" ");

function isWord(text: string): boolean {
  return /^[A-Za-z]+$/.test(text);
}

/** tokenizer.json and tokenizer_config.json for a closed word list; every printable ASCII character is covered. */
export function nanoTokenizer(words: readonly string[]): {
  tokenizerJson: object;
  tokenizerConfig: object;
  size: number;
} {
  const pieces = new Map<string, number>();
  const add = (piece: string, score: number): void => {
    if (!pieces.has(piece)) pieces.set(piece, score);
  };
  for (const token of SPECIAL) add(token, 0);
  add("\n", 0);
  add("▁", CHARACTER_SCORE);
  for (let digit = 0; digit <= 9; digit++) {
    add(String(digit), WORD_SCORE);
    add(`▁${digit}`, WORD_SCORE);
  }
  for (const word of [...words, ...JUDGE_WORDS]) {
    add(`▁${word}`, WORD_SCORE);
    if (!isWord(word)) add(word, WORD_SCORE);
  }
  for (let code = 33; code < 127; code++) add(String.fromCharCode(code), CHARACTER_SCORE);
  const added = (content: string, id: number, special: boolean): object => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special,
  });
  const metaspace = { type: "Metaspace", replacement: "▁", add_prefix_space: true, prepend_scheme: "always" };
  const tokenizerJson = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [...SPECIAL.map((token, id) => added(token, id, true)), added("\n", SPECIAL.length, false)],
    normalizer: null,
    pre_tokenizer: metaspace,
    post_processor: {
      type: "TemplateProcessing",
      single: [{ Sequence: { id: "A", type_id: 0 } }, { SpecialToken: { id: "</s>", type_id: 0 } }],
      pair: [
        { Sequence: { id: "A", type_id: 0 } },
        { SpecialToken: { id: "</s>", type_id: 0 } },
        { Sequence: { id: "B", type_id: 0 } },
        { SpecialToken: { id: "</s>", type_id: 0 } },
      ],
      special_tokens: { "</s>": { id: "</s>", ids: [1], tokens: ["</s>"] } },
    },
    decoder: newlineDecoder(metaspace),
    model: { type: "Unigram", unk_id: 2, vocab: [...pieces], byte_fallback: false },
  };
  const tokenizerConfig = {
    tokenizer_class: "T5Tokenizer",
    pad_token: "<pad>",
    eos_token: "</s>",
    unk_token: "<unk>",
    extra_ids: 0,
    additional_special_tokens: [],
    model_max_length: 512,
    clean_up_tokenization_spaces: false,
  };
  return { tokenizerJson, tokenizerConfig, size: pieces.size };
}
