// The JSON files of a model folder, its config first.

import { parseT5Config, type T5Config } from "../../shared/t5-config.ts";
import { readJson } from "../io/read-json.ts";
import { modelFile } from "./model-files.ts";

/** Parses a file of a model folder. Throws ArtifactError when it cannot be read. */
export function readFolderJson(path: string): Promise<unknown> {
  const fix = "A model folder holds config.json, model.safetensors, tokenizer.json and tokenizer_config.json.";
  return readJson(path, { fix });
}

/** The config of a model or adapter folder. Throws ArtifactError when it is missing or not a T5's. */
export async function loadConfig(dir: string): Promise<T5Config> {
  const path = await modelFile(dir, "config.json");
  return parseT5Config(await readFolderJson(path), path);
}
