// Text to token ids and back, the same on both sides: @huggingface/tokenizers under two plain functions.
// T5's template appends </s>; decoding drops special tokens.

import { Tokenizer } from "@huggingface/tokenizers";
import { ArtifactError } from "./errors.ts";
import { isUnigramConfig, UnigramModel } from "./unigram.ts";

export interface TextTokenizer {
  /** Token ids, ending in EOS. */
  encode(text: string): number[];
  /** Text of ids, special tokens dropped. */
  decode(ids: readonly number[]): string;
  /** Highest token id + 1; the model's embedding must have at least so many rows. */
  readonly size: number;
  /** First token id of "yes" and of "no", read by the judge. */
  readonly yesTokenId: number;
  readonly noTokenId: number;
  /** What every character becomes that the vocabulary lacks; undefined where there is no such token. */
  readonly unknownTokenId?: number | undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Builds a tokenizer from the parsed tokenizer.json and tokenizer_config.json. Throws ArtifactError when they are not usable. */
export function createTokenizer(
  tokenizerJson: unknown,
  tokenizerConfig: unknown,
  where = "tokenizer.json",
): TextTokenizer {
  if (!isObject(tokenizerJson) || !isObject(tokenizerConfig)) {
    throw new ArtifactError({
      code: "bad_tokenizer",
      what: "not a JSON object",
      where,
      fix: "Use the model's own tokenizer files.",
    });
  }
  let tokenizer: Tokenizer;
  try {
    tokenizer = createLibraryTokenizer(tokenizerJson, tokenizerConfig);
  } catch (cause) {
    throw new ArtifactError({
      code: "bad_tokenizer",
      what: "not a usable tokenizer",
      where,
      fix: "Use the model's own tokenizer files.",
      cause,
    });
  }
  const firstId = (word: string): number => {
    const id = tokenizer.encode(word, { add_special_tokens: false }).ids[0];
    if (id === undefined) throw new ArtifactError({ code: "bad_tokenizer", what: `no token for "${word}"`, where });
    return id;
  };
  return {
    encode: (text) => tokenizer.encode(text).ids,
    decode: (ids) => tokenizer.decode([...ids], { skip_special_tokens: true, clean_up_tokenization_spaces: false }),
    size: tokenizer.model?.vocab.length ?? 0,
    yesTokenId: firstId("yes"),
    noTokenId: firstId("no"),
    unknownTokenId: tokenizer.model?.unk_token_id,
  };
}

/** The library's tokenizer, with our unigram model in place of its own, which is never built. */
function createLibraryTokenizer(json: Record<string, unknown>, config: Record<string, unknown>): Tokenizer {
  const { model } = json;
  if (!isUnigramConfig(model)) return new Tokenizer(json, config);
  const unigram = new UnigramModel(model);
  const { [model.unk_id]: unknown = ["<unk>", 0] } = model.vocab;
  const tokenizer = new Tokenizer({ ...json, model: { type: "Unigram", unk_id: 0, vocab: [unknown] } }, config);
  for (const { content, id } of tokenizer.get_added_tokens_decoder().values()) {
    unigram.tokens_to_ids.set(content, id);
    unigram.vocab[id] = content;
  }
  tokenizer.model = unigram;
  return tokenizer;
}
