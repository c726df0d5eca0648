// Text to token ids, within the model's limit: longer texts are refused, never cut.

import { InputError } from "../../shared/errors.ts";
import type { Model } from "./model.ts";

/** No text holds so many characters a token on average; beyond, tokenizing it would only cost time. */
export const MAX_CHARACTERS_PER_TOKEN = 32;

/** What is told of a text that is too long. */
export interface AboutText {
  what: string;
  field: string;
  fix: string;
}

/** Token ids of a text. Throws InputError that names the text (`what`), its length, the limit, and the field. */
export function encodeWithinLimit(model: Model, text: string, about: AboutText): number[] {
  checkCharacters(model, text.length, about);
  const ids = model.tokenizer.encode(text);
  if (ids.length > model.manifest.limits.max_source_tokens) throw tooLong(model, `${ids.length} tokens`, about);
  return ids;
}

/** Throws the same InputError for a text of so many characters, which need not be built yet, where no tokenizer can make it fit. */
export function checkCharacters(model: Model, length: number, about: AboutText): void {
  if (length <= model.manifest.limits.max_source_tokens * MAX_CHARACTERS_PER_TOKEN) return;
  throw tooLong(model, `${length} characters`, about);
}

function tooLong({ manifest }: Model, length: string, about: AboutText): InputError {
  return new InputError({
    code: "too_long",
    what: `${about.what} has ${length}, the limit of model "${manifest.model}" is ${manifest.limits.max_source_tokens} tokens`,
    where: `field "${about.field}"`,
    fix: about.fix,
  });
}
