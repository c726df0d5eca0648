// Characters that a vocabulary lacks, as pieces of their own above its last id. They become pieces of the unigram model, not added tokens:
// an added token cuts the text, and the spaces on both sides of it would be lost ("3 < 4" and "3 <4" would read alike).

import { ArtifactError } from "./errors.ts";
import { isUnigramConfig } from "./unigram.ts";

/** A copy of tokenizer.json, and the id of each new character. */
export interface ExtendedTokenizer {
  json: unknown;
  ids: ReadonlyMap<string, number>;
}

interface AddedToken {
  id: number;
  content: string;
}

/**
 * Adds characters that are no pieces yet. The tokenizer must have its newline token already (newline-token.ts): ids of added tokens above
 * the pieces, such as the newline's, stay what they are. Throws ArtifactError for a tokenizer of another kind than unigram.
 */
export function withCharacters(
  tokenizerJson: unknown,
  characters: readonly string[],
  where = "tokenizer.json",
): ExtendedTokenizer {
  if (typeof tokenizerJson !== "object" || tokenizerJson === null || !("model" in tokenizerJson))
    throw unfit("no model", where);
  const { model } = tokenizerJson;
  if (!isUnigramConfig(model)) throw unfit("its model is no unigram model", where);
  const vocab = [...model.vocab];
  const least = vocab.reduce((min, [, score]) => Math.min(min, score), 0);
  const known = new Set(vocab.map(([piece]) => piece));
  for (const { id, content } of addedTokens(tokenizerJson)) {
    if (id < vocab.length) continue;
    if (id > vocab.length) throw unfit(`no token has the id ${vocab.length}`, where);
    vocab.push([content, least]);
    known.add(content);
  }
  const ids = new Map<string, number>();
  for (const character of characters) {
    if (known.has(character)) continue;
    known.add(character);
    ids.set(character, vocab.length);
    // the least likely piece: where a text could be cut another way, it still is
    vocab.push([character, least]);
  }
  return { json: { ...tokenizerJson, model: { ...model, vocab } }, ids };
}

/** Added tokens by their ids. */
function addedTokens(json: object): AddedToken[] {
  const tokens: unknown = "added_tokens" in json ? json.added_tokens : [];
  const isToken = (token: unknown): token is AddedToken =>
    typeof token === "object" &&
    token !== null &&
    "id" in token &&
    "content" in token &&
    typeof token.id === "number" &&
    typeof token.content === "string";
  return (Array.isArray(tokens) ? tokens.filter(isToken) : []).sort((a, b) => a.id - b.id);
}

function unfit(what: string, where: string): ArtifactError {
  return new ArtifactError({
    code: "bad_tokenizer",
    what: `characters cannot be added to this tokenizer: ${what}`,
    where,
    fix: "Use a T5's own tokenizer.json.",
  });
}
