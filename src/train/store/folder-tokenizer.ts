// The tokenizer of a model folder, with its newline token, held against the rows of the model's embedding.

import { ArtifactError } from "../../shared/errors.ts";
import { withNewlineToken } from "../../shared/newline-token.ts";
import type { T5Config } from "../../shared/t5-config.ts";
import { createTokenizer, type TextTokenizer } from "../../shared/tokenizer.ts";

/** A tokenizer and the JSON it was made from (with the newline token added where it was missing). */
export interface FolderTokenizer extends TextTokenizer {
  json: unknown;
  configJson: unknown;
}

/** From parsed tokenizer.json and tokenizer_config.json. Throws ArtifactError when it has more ids than the embedding has rows. */
export function createFolderTokenizer(
  tokenizerJson: unknown,
  configJson: unknown,
  config: T5Config,
  where: string,
): FolderTokenizer {
  const json = withNewlineToken(tokenizerJson, config.vocabSize, where);
  const tokenizer = createTokenizer(json, configJson, where);
  if (tokenizer.size > config.vocabSize) {
    throw new ArtifactError({
      code: "tokenizer_mismatch",
      what: `the tokenizer has ${tokenizer.size} ids, the model's embedding ${config.vocabSize} rows`,
      where,
      fix: "Use the tokenizer that belongs to this model.",
    });
  }
  return { ...tokenizer, json, configJson };
}
