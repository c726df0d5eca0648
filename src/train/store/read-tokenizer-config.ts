// The tokenizer_config.json of a model folder, or of the base that an adapter's folder names.

import { modelFile } from "./model-files.ts";
import { readTokenizerConfigAt } from "./tokenizer-config.ts";

/** Its text, made where the folder has none and needs none. Throws the file's own error otherwise. */
export async function readTokenizerConfig(dir: string): Promise<string> {
  return readTokenizerConfigAt(await modelFile(dir, "tokenizer_config.json"), await modelFile(dir, "tokenizer.json"));
}
