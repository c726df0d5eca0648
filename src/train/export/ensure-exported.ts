// The ONNX export of a model folder that may not have one: the folder itself where it was exported, else an export beside the other
// outputs, renewed when the weights are newer. So the model that ships can be served without files of a megabyte in the repository.

import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { MANIFEST_FILE } from "../../shared/manifest.ts";
import { exportOnnx } from "./export-onnx.ts";

const EXPORTS = "outputs/exported";

async function modified(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.mtimeMs ?? Number.NEGATIVE_INFINITY;
}

/** Folder with a manifest for `modelDir`, exporting it when needed. Throws what `exportOnnx` throws. */
export async function ensureExported(modelDir: string, exportsDir = EXPORTS): Promise<string> {
  if ((await modified(join(modelDir, MANIFEST_FILE))) > 0) return modelDir;
  // two models of the same name in different places must not take each other's export
  const place = resolve(modelDir);
  const outputDir = join(
    exportsDir,
    `${basename(place)}-${createHash("sha256").update(place).digest("hex").slice(0, 8)}`,
  );
  const weights = await modified(join(modelDir, "model.safetensors"));
  if ((await modified(join(outputDir, MANIFEST_FILE))) < weights || weights < 0)
    await exportOnnx({ modelDir, outputDir });
  return outputDir;
}
