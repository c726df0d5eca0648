// Which of a repository's files make a model for the trainer: config, tokenizer, weights as safetensors (whole or in shards).

import { ArtifactError } from "../../../shared/errors.ts";
import { parseShardIndex } from "../../io/safetensors/shards.ts";

/** A file of a Hub repository. `sha256` is known for large (LFS) files, `gitSha1` (git's blob id) for the others. */
export interface HubFile {
  path: string;
  size: number;
  etag: string;
  sha256: string | undefined;
  gitSha1: string | undefined;
}

const REQUIRED = ["config.json", "tokenizer.json"];
const OPTIONAL = ["tokenizer_config.json", "generation_config.json", "special_tokens_map.json", "spiece.model"];
export const WEIGHTS = "model.safetensors";
export const WEIGHTS_INDEX = "model.safetensors.index.json";

/** Whether a file is large: weights, whole or a shard. */
export function isWeights({ path }: HubFile): boolean {
  return path.endsWith(".safetensors");
}

/** The files to fetch, shards aside (their names are in the index). Throws ArtifactError when something needed is missing. */
export function selectFiles(files: ReadonlyMap<string, HubFile>, where: string): HubFile[] {
  const missing = REQUIRED.find((name) => !files.has(name));
  if (missing === "config.json" && files.has("adapter_config.json")) {
    throw new ArtifactError({
      code: "adapter_repository",
      what: "the repository holds an adapter, not a model",
      where,
      fix: "Download it (`hf download`) and give the folder; its base model is fetched by itself.",
    });
  }
  if (missing !== undefined) {
    throw new ArtifactError({
      code: "incomplete_repository",
      what: `the repository has no ${missing}`,
      where,
      fix:
        missing === "config.json"
          ? "Name a repository of a T5 model in Hugging Face layout."
          : "Use one with a fast tokenizer, e.g. google/flan-t5-small.",
    });
  }
  const weights = files.get(WEIGHTS) ?? files.get(WEIGHTS_INDEX);
  if (weights === undefined) {
    throw new ArtifactError({
      code: "no_safetensors",
      what: "the repository has no model.safetensors",
      where,
      fix:
        "Name a revision that has one (for many models OWNER/NAME@refs/pr/N by the Hub's converter), or convert the weights in Python: " +
        "`from transformers import AutoModelForSeq2SeqLM` and " +
        `\`AutoModelForSeq2SeqLM.from_pretrained("${where}").save_pretrained("DIR", safe_serialization=True)\`.`,
    });
  }
  return [...REQUIRED, ...OPTIONAL].flatMap((name) => files.get(name) ?? []).concat(weights);
}

/** Names of the shards in a model.safetensors.index.json. Throws ArtifactError when it is not one. */
export function shardFiles(indexText: string, where: string): string[] {
  return [...new Set(parseShardIndex(indexText, where).values())].sort();
}
