// Puts exported models where the worker finds them: one folder per model, with the files that the manifest names for one
// weight type, hard-linked where the disk allows.

import { copyFile, link, mkdir, readFile, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ArtifactError } from "../shared/errors.ts";
import { isLean, MANIFEST_FILE, type Manifest, type ManifestFile, parseManifest } from "../shared/manifest.ts";
import { DEFAULT_DTYPES, type Dtype } from "../shared/onnx-names.ts";

/** Largest static asset of a worker. https://developers.cloudflare.com/workers/platform/limits/#static-assets */
export const MAX_ASSET_BYTES = 25 * 2 ** 20;

/** Folder names below the assets directory; the same one when policy and reward model are the same folder. */
export interface EdgeModels {
  policy: string;
  reward: string;
  /** The files put there, paths below the assets directory. */
  files: Pick<ManifestFile, "path" | "role" | "bytes">[];
}

/** Reads the manifest of an exported model. Throws ArtifactError that tells how to export it. */
export async function readManifest(modelDir: string): Promise<Manifest> {
  const path = join(modelDir, MANIFEST_FILE);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new ArtifactError({
      code: "not_exported",
      what: `${modelDir} holds no exported model (${MANIFEST_FILE} is missing)`,
      fix: `Export it: npm run export -- --model ${modelDir}`,
      cause,
    });
  }
  try {
    return parseManifest(JSON.parse(text), path);
  } catch (cause) {
    if (cause instanceof ArtifactError) throw cause;
    const fix = `Export it again: npm run export -- --model ${modelDir}`;
    throw new ArtifactError({ code: "bad_manifest", what: "not JSON", where: path, fix, cause });
  }
}

/** Fills `assetsDir` with the policy and the reward model. Throws ArtifactError when one is not exported or lacks a file. */
export async function prepareEdgeModels(options: {
  policyDir: string;
  rewardDir: string;
  assetsDir: string;
  dtype?: Dtype | undefined;
}): Promise<EdgeModels> {
  const { policyDir, rewardDir, assetsDir, dtype = "int8" } = options;
  const policy = await placeModel(policyDir, join(assetsDir, "policy"), dtype);
  const rewardFolder = join(assetsDir, "reward");
  const same = (await realpath(policyDir)) === (await realpath(rewardDir).catch(() => ""));
  if (same) await rm(rewardFolder, { recursive: true, force: true });
  const reward = same ? [] : await placeModel(rewardDir, rewardFolder, dtype);
  const below = (folder: string, files: typeof policy) =>
    files.map(({ path, role, bytes }) => ({ path: `${folder}/${path}`, role, bytes }));
  return {
    policy: "policy",
    reward: same ? "policy" : "reward",
    files: [...below("policy", policy), ...below("reward", reward)],
  };
}

/** Places one model beside its target, then swaps it in. */
async function placeModel(modelDir: string, target: string, dtype: Dtype): Promise<ManifestFile[]> {
  const manifest = await readManifest(modelDir);
  const lean = manifest.files.some((file) => isLean(file) && file.dtype === dtype);
  const files = manifest.files.filter(
    (file) => file.dtype === undefined || (file.dtype === dtype && isLean(file) === lean),
  );
  if (!files.some((file) => file.role === (lean ? "lean_decoder" : "decoder"))) {
    const types = [...new Set([...DEFAULT_DTYPES, dtype])].join();
    const fix = `Export it again: npm run export -- --model ${modelDir} --dtype ${types}`;
    throw new ArtifactError({ code: "no_dtype", what: `no ${dtype} graphs are exported`, where: modelDir, fix });
  }
  const fresh = `${target}.${process.pid}.tmp`;
  await rm(fresh, { recursive: true, force: true });
  try {
    for (const { path, bytes } of files) {
      await placeFile(join(modelDir, path), join(fresh, path));
      await checkSize(join(fresh, path), bytes, modelDir);
    }
    await placeFile(join(modelDir, MANIFEST_FILE), join(fresh, MANIFEST_FILE));
    await rm(target, { recursive: true, force: true });
    await rename(fresh, target);
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    throw error;
  }
  return files;
}

async function placeFile(source: string, target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  const path = await realpath(source).catch(() => source);
  // A link fails across disks and on some file systems; a copy always works, or tells why not.
  await link(path, target).catch(() => copyOrExplain(path, target));
}

async function copyOrExplain(source: string, target: string): Promise<void> {
  try {
    await copyFile(source, target);
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : "the file cannot be copied";
    const fix = "Export the model again: npm run export -- --model DIR.";
    throw new ArtifactError({ code: "model_absent", what, where: source, fix, cause });
  }
}

async function checkSize(path: string, bytes: number, modelDir: string): Promise<void> {
  const { size } = await stat(path);
  if (size === bytes) return;
  throw new ArtifactError({
    code: "model_damaged",
    what: `${size} bytes, the manifest says ${bytes}`,
    where: path,
    fix: `Export the model again: npm run export -- --model ${modelDir}`,
  });
}
