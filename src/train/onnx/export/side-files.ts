// The files beside the graphs: what transformers.js and the worker need of a Hugging Face folder to turn text into ids and back.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { ArtifactError } from "../../../shared/errors.ts";
import type { ManifestFile } from "../../../shared/manifest.ts";
import { withNewlineToken } from "../../../shared/newline-token.ts";
import { parseT5Config, type T5Config } from "../../../shared/t5-config.ts";
import { createTokenizer, type TextTokenizer } from "../../../shared/tokenizer.ts";
import { editJson } from "../../io/edit-json.ts";
import { modelFile } from "../../store/model-files.ts";
import { readTokenizerConfig } from "../../store/read-tokenizer-config.ts";
import { tokenizerConfigText } from "../../store/tokenizer-config.ts";

/** A file of the export and its line in the manifest. */
export interface SideFile {
  content: Buffer;
  entry: ManifestFile;
}

export interface SideFiles {
  config: T5Config;
  tokenizer: TextTokenizer;
  files: SideFile[];
}

/**
 * Reads and checks config and tokenizer of a model folder; a tokenizer without a newline token gets one.
 * Throws ArtifactError naming the file that is missing or unfit, or when the model has no embedding row left for the newline.
 */
export async function readSideFiles(modelDir: string): Promise<SideFiles> {
  const configFile = await readRequired(modelDir, "config.json");
  const tokenizerFile = await readRequired(modelDir, "tokenizer.json");
  const tokenizerConfigFile = await readTokenizerConfigFile(modelDir);
  const config = parseT5Config(configFile.json, configFile.path);
  const plain = createTokenizer(tokenizerFile.json, tokenizerConfigFile.json, tokenizerFile.path);
  if (plain.size > config.vocabSize) {
    throw new ArtifactError({
      code: "tokenizer_too_large",
      what: `the tokenizer has ids up to ${plain.size - 1}, the model ${config.vocabSize} embedding rows`,
      where: tokenizerFile.path,
      fix: "Use the tokenizer that the model was trained with.",
    });
  }
  // a stock T5 has no newline; the export must read text as the trainer does
  const json = withNewlineToken(tokenizerFile.json, config.vocabSize, tokenizerFile.path);
  const changed = json !== tokenizerFile.json;
  return {
    config,
    tokenizer: changed ? createTokenizer(json, tokenizerConfigFile.json, tokenizerFile.path) : plain,
    files: [
      sideFile("config.json", "config", completeConfig(configFile, config)),
      sideFile("generation_config.json", "generation_config", await generationConfig(modelDir, config)),
      sideFile("tokenizer.json", "tokenizer", changed ? Buffer.from(JSON.stringify(json)) : tokenizerFile.content),
      sideFile("tokenizer_config.json", "tokenizer_config", withReadingClass(tokenizerConfigFile.content)),
    ],
  };
}

/** The model's own file, or one made of its tokenizer.json where it has none. */
async function readTokenizerConfigFile(modelDir: string): ReturnType<typeof readRequired> {
  const path = await modelFile(modelDir, "tokenizer_config.json");
  const made = existsSync(path) ? undefined : await readTokenizerConfig(modelDir).catch(() => undefined);
  return made === undefined
    ? readRequired(modelDir, "tokenizer_config.json")
    : { path, content: Buffer.from(made), json: JSON.parse(made) };
}

/** The file itself where it needs no change. */
function withReadingClass(content: Buffer): Buffer {
  const text = content.toString("utf8");
  const changed = tokenizerConfigText(text);
  return /"tokenizer_class": *"PreTrainedTokenizerFast"/.test(text) || !changed.includes("PreTrainedTokenizerFast")
    ? content
    : Buffer.from(changed);
}

async function readRequired(modelDir: string, name: string): Promise<{ path: string; content: Buffer; json: unknown }> {
  const path = await modelFile(modelDir, name);
  const bad = (what: string, cause: unknown): ArtifactError =>
    new ArtifactError({
      code: "missing_file",
      what,
      where: path,
      fix: "Give a folder in Hugging Face layout: config.json, model.safetensors, tokenizer.json, tokenizer_config.json.",
      cause,
    });
  let content: Buffer;
  try {
    content = await readFile(path);
  } catch (cause) {
    throw bad("the file cannot be read", cause);
  }
  try {
    return { path, content, json: JSON.parse(content.toString("utf8")) };
  } catch (cause) {
    throw bad("not JSON", cause);
  }
}

/** config.json as it is, with the fields added that T5 may leave to their defaults and transformers.js reads. */
function completeConfig({ content, json }: { content: Buffer; json: unknown }, config: T5Config): Buffer {
  const needed = { model_type: "t5", is_encoder_decoder: true, num_decoder_layers: config.numDecoderLayers };
  const given: Record<string, unknown> = { ...(typeof json === "object" ? json : {}) };
  const missing = Object.entries(needed).filter(([field]) => given[field] === undefined || given[field] === null);
  if (missing.length === 0) return content;
  return Buffer.from(editJson(content.toString("utf8"), Object.fromEntries(missing)));
}

/** The model's own generation_config.json, or one made of its config where it has none. */
async function generationConfig(modelDir: string, config: T5Config): Promise<Buffer> {
  try {
    return await readFile(await modelFile(modelDir, "generation_config.json"));
  } catch {
    const made = {
      decoder_start_token_id: config.decoderStartTokenId,
      eos_token_id: config.eosTokenId,
      pad_token_id: config.padTokenId,
    };
    return Buffer.from(`${JSON.stringify(made, null, 2)}\n`);
  }
}

function sideFile(path: string, role: ManifestFile["role"], content: Buffer): SideFile {
  const sha256 = createHash("sha256").update(content).digest("hex");
  return { content, entry: { path, role, bytes: content.length, sha256 } };
}
