// T5's vocabulary has no newline: the stock tokenizer turns "\n" into a space, and steps are lost. Stock checkpoints have unused
// embedding rows above the tokenizer's last id (32100 to 32127); the first of them becomes "\n", as an added token.
// The decoder puts "▁" of the next piece back as a space, so "\n " is folded to "\n" after the pieces are joined.

import { ArtifactError } from "./errors.ts";

interface AddedToken {
  id: number;
  content: string;
  single_word: boolean;
  lstrip: boolean;
  rstrip: boolean;
  normalized: boolean;
  special: boolean;
}

interface TokenizerJson {
  added_tokens: AddedToken[];
  decoder: { type: string; [key: string]: unknown } | null;
  model: { vocab: unknown[] | Record<string, number> };
  [key: string]: unknown;
}

function isTokenizerJson(value: unknown): value is TokenizerJson {
  return (
    typeof value === "object" &&
    value !== null &&
    "added_tokens" in value &&
    Array.isArray(value.added_tokens) &&
    "model" in value
  );
}

/** Decoder that undoes Metaspace and drops the space after a newline. */
export function newlineDecoder(metaspace: object): { type: string; [key: string]: unknown } {
  return {
    type: "Sequence",
    decoders: [metaspace, { type: "Fuse" }, { type: "Replace", pattern: { String: "\n " }, content: "\n" }],
  };
}

/**
 * A copy of tokenizer.json with `\n` as the first id above its last one; unchanged when it has a newline token already.
 * `vocabSize` is the number of embedding rows. Throws ArtifactError when no row is free.
 */
export function withNewlineToken(tokenizerJson: unknown, vocabSize: number, where = "tokenizer.json"): unknown {
  if (!isTokenizerJson(tokenizerJson)) {
    throw new ArtifactError({
      code: "bad_tokenizer",
      what: "no added_tokens and model",
      where,
      fix: "Use a Hugging Face tokenizer.json.",
    });
  }
  if (tokenizerJson.added_tokens.some((token) => token.content === "\n")) return tokenizerJson;
  const { vocab } = tokenizerJson.model;
  const vocabTop = Array.isArray(vocab) ? vocab.length - 1 : Math.max(...Object.values(vocab));
  const id = tokenizerJson.added_tokens.reduce((top, token) => Math.max(top, token.id), vocabTop) + 1;
  if (id >= vocabSize) {
    throw new ArtifactError({
      code: "no_free_token",
      what: `no embedding row is free for a newline token (tokenizer uses ${id}, model has ${vocabSize})`,
      where,
      fix: "Use a checkpoint whose vocab_size is above its tokenizer's size, as all stock T5 checkpoints have.",
    });
  }
  const newline: AddedToken = {
    id,
    content: "\n",
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: false,
  };
  const metaspace = tokenizerJson.decoder ?? { type: "Metaspace", replacement: "▁", add_prefix_space: true };
  return {
    ...tokenizerJson,
    added_tokens: [...tokenizerJson.added_tokens, newline],
    decoder: newlineDecoder(metaspace),
  };
}
