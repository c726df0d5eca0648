// The ONNX export of a model folder that may not have one: the folder itself where it was exported, else an export beside the other
// outputs, renewed when the weights are newer. So the model that ships can be served without files of a megabyte in the repository.

import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { LEAN_VERSION, MANIFEST_FILE, parseManifest } from "../../../shared/manifest.ts";
import { DEFAULT_DTYPES, type Dtype } from "../../../shared/onnx-names.ts";
import { exportOnnx } from "./export-onnx.ts";

const EXPORTS = "outputs/exported";

async function modified(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.mtimeMs ?? Number.NEGATIVE_INFINITY;
}

export interface EnsureExported {
  /** Where exports go; `outputs/exported` by default. */
  exportsDir?: string | undefined;
  /** A weight type that an export made here must have; of a folder's own export its reader says what it lacks. */
  dtype?: Dtype | undefined;
  /** Told of an export before it is made. */
  say?: ((line: string) => void) | undefined;
}

/** Whether an export has graphs of a type, beside int8 also the worker's own as they are written now. */
async function holds(exportDir: string, dtype: Dtype): Promise<boolean> {
  const path = join(exportDir, MANIFEST_FILE);
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return false;
  const { files, rows } = parseManifest(JSON.parse(text), path);
  return files.some((file) => file.dtype === dtype) && (dtype !== "int8" || rows?.version === LEAN_VERSION);
}

/**
 * Folder with a manifest for `modelDir`, exporting it when needed; an export older than the weights beside it counts for nothing.
 * Throws what `exportOnnx` throws.
 */
export async function ensureExported(modelDir: string, options: EnsureExported = {}): Promise<string> {
  const { exportsDir = EXPORTS, dtype = "int8", say = () => {} } = options;
  const weightFiles = ["model.safetensors", "model.safetensors.index.json", "adapter_model.safetensors"];
  const weights = Math.max(...(await Promise.all(weightFiles.map((name) => modified(join(modelDir, name))))));
  const own = await modified(join(modelDir, MANIFEST_FILE));
  if (own > 0 && own >= weights) return modelDir;
  // two models of the same name in different places must not take each other's export
  const place = resolve(modelDir);
  const outputDir = join(
    exportsDir,
    `${basename(place)}-${createHash("sha256").update(place).digest("hex").slice(0, 8)}`,
  );
  if ((await modified(join(outputDir, MANIFEST_FILE))) < weights || weights < 0 || !(await holds(outputDir, dtype))) {
    say(`exporting ${modelDir} to ${outputDir}`);
    await exportOnnx({ modelDir, outputDir, dtypes: [...new Set([...DEFAULT_DTYPES, dtype])] });
  }
  return outputDir;
}
