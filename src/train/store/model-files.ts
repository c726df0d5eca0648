// Where the files of a model lie. An adapter leaves most of them to its base: a folder named from here or from the adapter's own place, or a
// Hub id in the cache.

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { ArtifactError, StepwiseError } from "../../shared/errors.ts";
import { ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE, isAdapterFolder, readAdapterConfig } from "./adapter-config.ts";
import { type ResolveOptions, resolveModel } from "./hub/resolve-model.ts";
import { shardFiles, WEIGHTS, WEIGHTS_INDEX } from "./hub/select-files.ts";

/** Folder of an adapter's base model; a Hub id that is not in the cache is fetched unless `offline`. Throws ArtifactError. */
export async function baseFolder(adapterDir: string, options: ResolveOptions = { offline: true }): Promise<string> {
  const { base } = await readAdapterConfig(adapterDir);
  const where = join(adapterDir, ADAPTER_CONFIG_FILE);
  if (base === undefined) {
    throw new ArtifactError({
      code: "no_base_model",
      what: "the adapter does not say which model it was made for",
      where,
      fix: 'Write the folder or Hub id of its base into "base_model_name_or_path".',
    });
  }
  const beside = resolve(adapterDir, base);
  if (!existsSync(base) && existsSync(beside)) return resolveModel(beside, options);
  try {
    return await resolveModel(base, options);
  } catch (cause) {
    if (!(cause instanceof StepwiseError)) throw cause;
    throw new ArtifactError({
      code: "no_base_model",
      what: `the adapter's base model "${base}" is not here: ${cause.what}`,
      where,
      fix: 'Correct "base_model_name_or_path", or fetch the model first: npm run train takes a Hub id.',
      cause,
    });
  }
}

/** Path of a model's file, which an adapter folder may leave to its base. */
export async function modelFile(dir: string, name: string): Promise<string> {
  const own = join(dir, name);
  return existsSync(own) || !isAdapterFolder(dir) ? own : modelFile(await baseFolder(dir), name);
}

/** Files that hold a model's weights; for an adapter its own and those of its base. */
export async function weightFiles(dir: string): Promise<string[]> {
  if (isAdapterFolder(dir)) return [join(dir, ADAPTER_WEIGHTS_FILE), ...(await weightFiles(await baseFolder(dir)))];
  const index = join(dir, WEIGHTS_INDEX);
  if (existsSync(join(dir, WEIGHTS)) || !existsSync(index)) return [join(dir, WEIGHTS)];
  return shardFiles(await readFile(index, "utf8"), index).map((name) => join(dir, name));
}
