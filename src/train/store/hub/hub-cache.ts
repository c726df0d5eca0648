// The Hub's standard cache on disk, shared with Python's huggingface_hub and transformers:
//   <cache>/models--owner--name/{blobs/<etag>, refs/<revision>, snapshots/<commit>/<file> -> ../../blobs/<etag>}

import { copyFile, mkdir, readFile, rm, stat, symlink } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { getHFHubCachePath, getRepoFolderName } from "@huggingface/hub";
import writeFileAtomic from "write-file-atomic";
import { ArtifactError } from "../../../shared/errors.ts";
import { shardFiles } from "./select-files.ts";

/** A branch, tag or commit; `cacheDir` is the folder that holds models--*. */
export interface CachedModel {
  folder: string;
  revision: string;
}

const COMMIT = /^[0-9a-f]{40}$/;

/** The cache folder of a model or data set: `cacheDir`, else HF_HUB_CACHE, HF_HOME/hub or ~/.cache/huggingface/hub. */
export function cachedModel(
  id: string,
  revision: string,
  cacheDir: string | undefined,
  type: "model" | "dataset" = "model",
): CachedModel {
  return { folder: join(cacheDir ?? getHFHubCachePath(), getRepoFolderName({ type, name: id })), revision };
}

/** Path of a blob; it exists only when it is whole and its hash was checked. Throws ArtifactError for a name that leads elsewhere. */
export function blobFile({ folder }: CachedModel, etag: string): string {
  return inside(join(folder, "blobs"), etag);
}

/** Throws ArtifactError for a name that leads elsewhere. */
export function snapshotDir({ folder }: CachedModel, commit: string): string {
  return inside(join(folder, "snapshots"), commit);
}

/** A server's names of files, hashes and commits never lead out of their folder. */
function inside(folder: string, name: string): string {
  const path = join(folder, name);
  if (path.startsWith(folder + sep)) return path;
  throw new ArtifactError({
    code: "not_a_hub",
    what: `the server names a file "${name}", which lies outside of the cache`,
    where: folder,
    fix: "Correct HF_ENDPOINT.",
  });
}

/** Puts a blob under its name into the snapshot; a copy where links are not allowed (Windows). Throws ArtifactError as `blobFile`. */
export async function linkBlob(model: CachedModel, commit: string, name: string, etag: string): Promise<void> {
  const link = inside(snapshotDir(model, commit), name);
  await mkdir(dirname(link), { recursive: true });
  if (await isFile(link)) return;
  await rm(link, { force: true });
  const blob = blobFile(model, etag);
  await symlink(relative(dirname(link), blob), link).catch(() => copyFile(blob, link));
}

/** Remembers which commit a branch or tag stands for. */
export async function writeRef(model: CachedModel, commit: string): Promise<void> {
  if (COMMIT.test(model.revision)) return;
  const file = join(model.folder, "refs", model.revision);
  await mkdir(dirname(file), { recursive: true });
  await writeFileAtomic(file, commit);
}

/** The snapshot folder of this revision if everything that the trainer needs is there, else undefined. */
export async function findSnapshot(model: CachedModel): Promise<string | undefined> {
  const ref = join(model.folder, "refs", model.revision);
  const commit = COMMIT.test(model.revision) ? model.revision : (await readFile(ref, "utf8").catch(() => "")).trim();
  if (commit === "") return undefined;
  const folder = snapshotDir(model, commit);
  const needed = ["config.json", "tokenizer.json"];
  if (!(await isFile(join(folder, "model.safetensors")))) {
    const index = await readFile(join(folder, "model.safetensors.index.json"), "utf8").catch(() => undefined);
    if (index === undefined) return undefined;
    needed.push(...shardFiles(index, folder));
  }
  for (const name of needed) if (!(await isFile(join(folder, name)))) return undefined;
  return folder;
}

export async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (entry) => entry.isFile(),
    () => false,
  );
}
