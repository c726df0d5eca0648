// tokenizer_config.json as it is written out: its numbers as they were, and a class that reads tokenizer.json as it stands. Python's
// T5Tokenizer of transformers 5 takes the pieces from the file and builds its own decoder, which puts a space after every newline.

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { editJson } from "../io/edit-json.ts";

/** Text of tokenizer_config.json for a tokenizer.json with a newline token. */
export function tokenizerConfigText(text: string): string {
  const json: unknown = JSON.parse(text);
  const name =
    typeof json === "object" && json !== null && "tokenizer_class" in json ? json.tokenizer_class : undefined;
  const isT5 = name === undefined || name === "T5Tokenizer" || name === "T5TokenizerFast";
  return editJson(text, isT5 ? { tokenizer_class: "PreTrainedTokenizerFast" } : {});
}

/** What tokenizer_config.json says where there is none: the special tokens that T5 has by these names. */
const MADE = {
  tokenizer_class: "PreTrainedTokenizerFast",
  eos_token: "</s>",
  pad_token: "<pad>",
  unk_token: "<unk>",
};

/**
 * Text of the tokenizer_config.json at `path`; where there is none, and the tokenizer.json at `tokenizer` ends each text in an end token by
 * itself, one that names T5's special tokens. Throws the file's own error otherwise.
 */
export async function readTokenizerConfigAt(path: string, tokenizer: string): Promise<string> {
  if (existsSync(path)) return readFile(path, "utf8");
  const json: unknown = existsSync(tokenizer) ? JSON.parse(await readFile(tokenizer, "utf8")) : undefined;
  if (saysEnough(json)) return `${JSON.stringify(MADE, null, 2)}\n`;
  return readFile(path, "utf8");
}

/** Whether a template of tokenizer.json puts T5's end token after each text. */
function saysEnough(json: unknown): boolean {
  const processor = typeof json === "object" && json !== null && "post_processor" in json ? json.post_processor : null;
  return JSON.stringify(processor ?? null).includes(`"id":"${MADE.eos_token}"`);
}
