// A T5 in Hugging Face layout: config.json, model.safetensors (or shards), tokenizer files. Read tensor by tensor, written atomically.

import { existsSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { parseT5Config, type T5Config } from "../../shared/t5-config.ts";
import { editJson } from "../io/edit-json.ts";
import { HEAD, type ParameterSpec, type Parameters, parameterSpecs } from "../model/parameters.ts";
import { type Tensor, type Tensor2D, tf } from "../tensorflow/tensorflow.ts";
import { ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE } from "./adapter-config.ts";
import { createFolderTokenizer, type FolderTokenizer } from "./folder-tokenizer.ts";
import { loadConfig, readFolderJson } from "./model-config.ts";
import { modelFile } from "./model-files.ts";
import { readTokenizerConfig } from "./read-tokenizer-config.ts";
import { type WeightType, writeSafetensors } from "./safetensors.ts";
import { openT5Tensors } from "./t5-tensors.ts";
import { tokenizerConfigText } from "./tokenizer-config.ts";

export type { FolderTokenizer };

/** A loaded model; `parameters` belong to the caller, who disposes them (or hands them to an optimizer). */
export interface Model {
  dir: string;
  name: string;
  config: T5Config;
  parameters: Parameters;
}

async function tokenizerConfig(dir: string): Promise<unknown> {
  const path = await modelFile(dir, "tokenizer_config.json");
  return existsSync(path)
    ? readFolderJson(path)
    : readTokenizerConfig(dir).then(JSON.parse, () => readFolderJson(path));
}

/** Loads the tokenizer of a model folder. Throws ArtifactError when it is missing or has more ids than the embedding has rows. */
export async function loadTokenizer(dir: string, config: T5Config): Promise<FolderTokenizer> {
  const path = await modelFile(dir, "tokenizer.json");
  const json = await readFolderJson(path);
  return createFolderTokenizer(json, await tokenizerConfig(dir), config, path);
}

function toMemory(spec: ParameterSpec, values: Float32Array): Tensor {
  const tensor = tf.tensor(values, spec.shape);
  // native TensorFlow takes the values over, and lets go of JavaScript's array, with the first operation on them
  const stored = spec.transposed ? tf.transpose(tensor) : tf.reshape(tensor, spec.shape);
  tensor.dispose();
  return stored;
}

const sizeOf = ({ shape }: ParameterSpec): number => shape.reduce((product, size) => product * size, 1);

function inOrder(parameters: Parameters, specs: readonly ParameterSpec[]): Parameters {
  const entries = specs.flatMap(({ name }) => {
    const tensor = parameters[name];
    return tensor === undefined ? [] : [[name, tensor] as const];
  });
  return Object.fromEntries(entries);
}

/** Loads config and weights of a folder; `log` as in `openT5Tensors`. Throws ArtifactError or ShapeError, naming the file, tensor or field. */
export async function loadModel(dir: string, log?: (line: string) => void): Promise<Model> {
  const config = await loadConfig(dir);
  const reader = await openT5Tensors(dir, config, log);
  const specs = parameterSpecs(config, reader.head === HEAD);
  const parameters: Record<string, Tensor> = {};
  try {
    // the largest first: their arrays in JavaScript are collected while the others are read
    for (const spec of specs.toSorted((a, b) => sizeOf(b) - sizeOf(a)))
      parameters[spec.name] = toMemory(spec, await reader.readFloat32(spec.name));
    return { dir, name: basename(dir), config, parameters: inOrder(parameters, specs) };
  } catch (error) {
    tf.dispose(parameters);
    throw error;
  } finally {
    await reader.close();
  }
}

/** Writes the parameters as safetensors, [out, in] as Hugging Face has them. */
async function saveParameters(
  path: string,
  config: T5Config,
  parameters: Parameters,
  type: WeightType = "float32",
): Promise<void> {
  const tensors = parameterSpecs(config, HEAD in parameters).map((spec) => ({
    name: spec.name,
    shape: spec.shape,
    data: async (): Promise<Float32Array> => {
      const tensor = parameters[spec.name];
      if (tensor === undefined) throw new Error(`no parameter ${spec.name}`);
      const inFile = spec.transposed ? tf.transpose(tensor as Tensor2D) : tensor;
      const values = await inFile.data<"float32">();
      if (inFile !== tensor) inFile.dispose();
      return values;
    },
  }));
  await writeSafetensors(path, tensors, undefined, type);
}

/** Text of the folder's config.json, its numbers as they are written there, with as many decoder layers as the model has. */
async function configText({ dir, config }: Pick<Model, "dir" | "config">): Promise<string> {
  const path = await modelFile(dir, "config.json");
  const json = await readFolderJson(path);
  const { numDecoderLayers } = config;
  const grown = parseT5Config(json, path).numDecoderLayers !== numDecoderLayers;
  return editJson(await readFile(path, "utf8"), grown ? { num_decoder_layers: numDecoderLayers } : {});
}

const COPIED = ["generation_config.json", "special_tokens_map.json", "spiece.model"];

/**
 * Saves a tuned model: weights of `parameters`, everything else from the folder it started from, the tokenizer with its newline
 * token. Each file is renamed into place; the weights come last.
 */
export async function saveModel(
  dir: string,
  from: Model,
  parameters: Parameters,
  type: WeightType = "float32",
): Promise<void> {
  await saveSideFiles(dir, from);
  // an adapter that an earlier run left there does not belong to these weights
  for (const file of [ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE]) await rm(join(dir, file), { force: true });
  await saveParameters(join(dir, "model.safetensors"), from.config, parameters, type);
}

/**
 * Writes what a model folder holds beside its weights: config and tokenizer files of the model that training began with. Where the decoder
 * has grown since (`from.config`), config.json says so.
 */
export async function saveSideFiles(dir: string, from: Pick<Model, "dir" | "config">): Promise<void> {
  await mkdir(dir, { recursive: true });
  const config = await configText(from);
  const tokenizer = await loadTokenizer(from.dir, from.config);
  await writeFileAtomic(join(dir, "config.json"), config);
  await writeFileAtomic(join(dir, "tokenizer.json"), JSON.stringify(tokenizer.json));
  const tokenizerText = tokenizerConfigText(await readTokenizerConfig(from.dir));
  await writeFileAtomic(join(dir, "tokenizer_config.json"), tokenizerText);
  for (const file of COPIED) {
    const original = await modelFile(from.dir, file);
    if (existsSync(original)) await writeFileAtomic(join(dir, file), await readFile(original));
    else await rm(join(dir, file), { force: true }); // of an earlier model there
  }
}
