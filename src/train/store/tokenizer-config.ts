// tokenizer_config.json as it is written out: its numbers as they were, and a class that reads tokenizer.json as it stands. Python's
// T5Tokenizer of transformers 5 takes the pieces from the file and builds its own decoder, which puts a space after every newline.

import { editJson } from "../io/edit-json.ts";

/** Text of tokenizer_config.json for a tokenizer.json with a newline token. */
export function tokenizerConfigText(text: string): string {
  const json: unknown = JSON.parse(text);
  const name =
    typeof json === "object" && json !== null && "tokenizer_class" in json ? json.tokenizer_class : undefined;
  const isT5 = name === undefined || name === "T5Tokenizer" || name === "T5TokenizerFast";
  return editJson(text, isT5 ? { tokenizer_class: "PreTrainedTokenizerFast" } : {});
}
