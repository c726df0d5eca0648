// A model folder written again somewhere else as one whole float32 model: shards become one file, an adapter is merged into its base.

import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { writeSafetensors } from "../io/safetensors/writer.ts";
import { HEAD, parameterSpecs } from "../model/parameters.ts";
import { ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE } from "./adapter-config.ts";
import { loadConfig } from "./model-config.ts";
import { saveSideFiles } from "./model-folder.ts";
import { openT5Tensors } from "./t5-tensors.ts";

/**
 * Writes the model of `from` to `to`, tensor by tensor, each file renamed into place, the weights last; nothing where both are the same
 * folder. Throws ArtifactError or ShapeError for a folder that is no T5, CapacityError for a full disk.
 */
export async function copyModel(from: string, to: string): Promise<void> {
  if (resolve(from) === resolve(to)) return;
  const config = await loadConfig(from);
  const reader = await openT5Tensors(from, config);
  try {
    await saveSideFiles(to, { dir: from, config });
    // an adapter that an earlier run left there does not belong to these weights
    for (const file of [ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE]) await rm(join(to, file), { force: true });
    const tensors = parameterSpecs(config, reader.head === HEAD).map(({ name, shape }) => ({
      name,
      shape,
      data: () => reader.readFloat32(name),
    }));
    await writeSafetensors(join(to, "model.safetensors"), tensors);
  } finally {
    await reader.close();
  }
}
