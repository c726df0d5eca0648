// The weights of a Hugging Face folder through one reader: model.safetensors, or the shards that its index names.

import { access, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import { ArtifactError } from "../../../shared/errors.ts";
import { openSafetensors, type TensorReader } from "./reader.ts";

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string().regex(/^[\w.-]+\.safetensors$/)) });

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** The shard of each tensor, by what a model.safetensors.index.json says. Throws ArtifactError when it is not one. */
export function parseShardIndex(text: string, where: string): Map<string, string> {
  try {
    return new Map(Object.entries(indexSchema.parse(JSON.parse(text)).weight_map));
  } catch (cause) {
    const what = "not an index of safetensors shards";
    throw new ArtifactError({ code: "bad_index", what, where, fix: "Download it again.", cause });
  }
}

/** Opens the weights of a model folder. Throws ArtifactError when they are missing or damaged. The caller closes it. */
export async function openFolderTensors(modelDir: string): Promise<TensorReader> {
  const single = join(modelDir, "model.safetensors");
  const index = join(modelDir, "model.safetensors.index.json");
  if (!(await exists(single)) && !(await exists(index))) await refusePickle(modelDir);
  if ((await exists(single)) || !(await exists(index))) return openSafetensors(single);
  const shards = new Map<string, TensorReader>();
  const closeAll = async (): Promise<void> => {
    for (const shard of shards.values()) await shard.close();
  };
  try {
    const shardOf = parseShardIndex(await readFile(index, "utf8"), index);
    for (const file of new Set(shardOf.values()))
      shards.set(file, await openSafetensors(join(modelDir, basename(file))));
    const shard = (name: string): TensorReader => {
      const reader = shards.get(shardOf.get(name) ?? "");
      if (reader === undefined)
        throw new ArtifactError({ code: "missing_tensor", what: `no tensor "${name}"`, where: index });
      return reader;
    };
    for (const name of shardOf.keys()) shard(name).info(name); // an index that names a tensor its shard lacks is refused here
    return {
      names: [...shardOf.keys()],
      info: (name) => shard(name).info(name),
      readFloat32: (name) => shard(name).readFloat32(name),
      close: closeAll,
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/** Throws ArtifactError where the weights are there, as Python objects only. */
async function refusePickle(modelDir: string): Promise<void> {
  const names = ["pytorch_model.bin", "pytorch_model.bin.index.json"];
  const found = await Promise.all(names.map((name) => exists(join(modelDir, name))));
  const name = names[found.indexOf(true)];
  if (name === undefined) return;
  throw new ArtifactError({
    code: "pickled_weights",
    what: `the weights are only there as ${name}, which holds Python objects and is not read`,
    where: modelDir,
    fix:
      "Convert them in Python: `from transformers import AutoModelForSeq2SeqLM` and " +
      `\`AutoModelForSeq2SeqLM.from_pretrained("${modelDir}").save_pretrained("${modelDir}", safe_serialization=True)\`; ` +
      "or name the Hub's own conversion, a pull request of the repository: OWNER/NAME@refs/pr/N.",
  });
}
