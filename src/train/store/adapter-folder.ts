// An adapter as a folder that peft reads, with the side files of a model, so that this project takes it wherever it takes a model; and the
// way from such a folder to a model of its own.

import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { InputError } from "../../shared/errors.ts";
import { writeJson } from "../io/write-text.ts";
import type { Parameters } from "../model/parameters.ts";
import { ADAPTER_CONFIG_FILE, type AdapterSettings, adapterConfigToJson, isAdapterFolder } from "./adapter-config.ts";
import { copyModel } from "./copy-model.ts";
import { saveAdapterFile } from "./lora/adapter.ts";
import { type Model, saveSideFiles } from "./model-folder.ts";

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
  // a whole model that an earlier run left there would be taken for the result
  if (resolve(dir) !== resolve(adapter.base.dir))
    for (const file of ["model.safetensors", "model.safetensors.index.json"])
      await rm(join(dir, file), { force: true });
  await writeJson(join(dir, ADAPTER_CONFIG_FILE), json);
  await saveAdapterFile(dir, adapter.parameters, adapter.baseHash);
}

/** Writes an adapter folder and its base as one float32 model to `outputDir`, tensor by tensor. Throws InputError when there is no adapter or no other place. */
export async function mergeAdapter(adapterDir: string, outputDir: string): Promise<void> {
  const refuse = (what: string, fix: string): never => {
    throw new InputError({ code: "nothing_to_merge", what, where: adapterDir, fix });
  };
  if (!isAdapterFolder(adapterDir)) refuse("the folder holds no adapter", "Merge a folder with adapter_config.json.");
  if (resolve(adapterDir) === resolve(outputDir))
    refuse("the merged model would lie on its own adapter", "Name another folder with --output.");
  await copyModel(adapterDir, outputDir);
}
