// Text to token ids, within the model's limit: longer texts are refused, never cut.

import { InputError } from "../../shared/errors.ts";
import type { Model } from "./model.ts";

/** No text holds so many characters a token on average; beyond, tokenizing it would only cost time. */
export const MAX_CHARACTERS_PER_TOKEN = 32;

/** Token ids of a text. Throws InputError that names the text (`what`), its length, the limit, and the field. */
export function encodeWithinLimit(
  model: Model,
  text: string,
  about: { what: string; field: string; fix: string },
): number[] {
  const limit = model.manifest.limits.max_source_tokens;
  const refuse = (length: string) =>
    new InputError({
      code: "too_long",
      what: `${about.what} has ${length}, the limit of model "${model.manifest.model}" is ${limit} tokens`,
      where: `field "${about.field}"`,
      fix: about.fix,
    });
  if (text.length > limit * MAX_CHARACTERS_PER_TOKEN) throw refuse(`${text.length} characters`);
  const ids = model.tokenizer.encode(text);
  if (ids.length > limit) throw refuse(`${ids.length} tokens`);
  return ids;
}
