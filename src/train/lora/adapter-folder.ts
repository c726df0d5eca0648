// An adapter as a folder that peft reads, with the side files of a model, so that this project takes it wherever it takes a model; and the
// way from such a folder to a model of its own.

import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { InputError } from "../../shared/errors.ts";
import { loadModel, type Model, saveModel, saveSideFiles } from "../model/model-folder.ts";
import type { Parameters } from "../model/parameters.ts";
import { tf } from "../tensorflow.ts";
import { saveAdapterFile } from "./adapter.ts";
import { ADAPTER_CONFIG_FILE, type AdapterSettings, adapterConfigToJson, isAdapterFolder } from "./adapter-config.ts";

/** An adapter and what it stands on. */
export interface AdapterToSave {
  /** The model under it. */
  base: Pick<Model, "dir" | "config">;
  /** Hub id or folder that goes into adapter_config.json; a folder is written with its full path. */
  baseName: string;
  /** sha256 of the base weights, by `hashWeights`. */
  baseHash: string;
  settings: AdapterSettings;
  /** The adapter's matrices, in memory layout. */
  parameters: Parameters;
}

/** Writes adapter_config.json, adapter_model.safetensors and the base's config and tokenizer; the weights come last. */
export async function saveAdapter(dir: string, adapter: AdapterToSave): Promise<void> {
  const { baseName, settings } = adapter;
  await saveSideFiles(dir, adapter.base);
  const base = existsSync(baseName) ? resolve(baseName) : baseName;
  const json = adapterConfigToJson({ ...settings, base });
  await writeFileAtomic(join(dir, ADAPTER_CONFIG_FILE), `${JSON.stringify(json, null, 2)}\n`);
  await saveAdapterFile(dir, adapter.parameters, adapter.baseHash);
}

/** Writes an adapter folder and its base as one model to `outputDir`. Throws InputError when there is no adapter or no other place. */
export async function mergeAdapter(adapterDir: string, outputDir: string): Promise<void> {
  const refuse = (what: string, fix: string): never => {
    throw new InputError({ code: "nothing_to_merge", what, where: adapterDir, fix });
  };
  if (!isAdapterFolder(adapterDir)) refuse("the folder holds no adapter", "Merge a folder with adapter_config.json.");
  if (resolve(adapterDir) === resolve(outputDir))
    refuse("the merged model would lie on its own adapter", "Name another folder with --output.");
  const model = await loadModel(adapterDir);
  try {
    await saveModel(outputDir, model, model.parameters);
  } finally {
    tf.dispose(model.parameters);
  }
}
