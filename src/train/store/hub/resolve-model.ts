// A model by folder or Hub id becomes a local folder. Hub files land in the standard Hub cache, so that what Python tools
// fetched before is found, and the other way round.

import { existsSync } from "node:fs";
import { mkdir, readFile, stat, statfs } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { listFiles, modelInfo } from "@huggingface/hub";
import { ArtifactError, CapacityError, InputError } from "../../../shared/errors.ts";
import { diskFull, isDiskFull } from "../../io/disk-full.ts";
import { isAdapterFolder, readAdapterConfig } from "../adapter-config.ts";
import { splitRevision } from "../model-id.ts";
import { checkSmallFiles } from "./check-downloaded.ts";
import { downloadBlob } from "./download-blob.ts";
import {
  blobFile,
  type CachedModel,
  cachedModel,
  findSnapshot,
  isFile,
  linkBlob,
  snapshotDir,
  writeRef,
} from "./hub-cache.ts";
import { type HubAccess, type HubOptions, hubAccess, hubFetch, isOffline, NetworkError } from "./hub-request.ts";
import { type HubFile, isWeights, selectFiles, shardFiles, WEIGHTS, WEIGHTS_INDEX } from "./select-files.ts";
import { verifyBlob, verifySnapshot } from "./verify-cache.ts";

export interface DownloadProgress {
  /** File that is being fetched. */
  file: string;
  /** Bytes fetched and to be fetched, over the files that were not in the cache (shards are known after their index). */
  receivedBytes: number;
  totalBytes: number;
}

export interface ResolveOptions extends HubOptions {
  /** Branch, tag, refs/pr/N or commit; default "main", or what follows an @ in the id. */
  revision?: string | undefined;
  /** Folder that holds models--*; default HF_HUB_CACHE, HF_HOME/hub or ~/.cache/huggingface/hub. */
  cacheDir?: string | undefined;
  onProgress?: ((progress: DownloadProgress) => void) | undefined;
}

const ID = /^(?:[A-Za-z0-9][\w.-]*\/)?[A-Za-z0-9][\w.-]{0,95}$/;
const REVISION = /^(?!.*\.\.)[A-Za-z0-9][\w./-]*$/;
const SPARE_BYTES = 50e6;

/**
 * Folder with config.json, tokenizer files and safetensors of the model. A local folder is returned as it is; a Hub id is
 * fetched when it is not in the cache. Throws InputError (no such model, no access, bad name), ArtifactError (not a usable
 * repository, wrong hash), CapacityError (disk, rate limit) or NetworkError.
 */
export async function resolveModel(idOrDir: string, options: ResolveOptions = {}): Promise<string> {
  const entry = await stat(idOrDir).catch(() => undefined);
  if (entry !== undefined) return localFolder(idOrDir, entry.isDirectory(), options);
  const { id, revision = "main" } = { ...options, ...splitRevision(idOrDir) };
  checkNames(id, revision);
  const model = cachedModel(id, revision, options.cacheDir);
  const offline = isOffline(options);
  const cached = await findSnapshot(model);
  if (cached !== undefined && (offline || basename(cached) === revision)) return verifySnapshot(cached);
  if (offline) {
    throw new InputError({
      code: "not_cached",
      what: `the model is not in the cache, and offline mode is on (HF_HUB_OFFLINE)`,
      where: `${id}, ${model.folder}`,
      fix: "Download it once with offline mode off, or give a local model folder: --model DIR.",
    });
  }
  const access = hubAccess(options);
  try {
    return await download(id, model, access, options.onProgress ?? (() => {}));
  } catch (error) {
    // without a network, what was fetched before serves
    if (error instanceof NetworkError && cached !== undefined) return verifySnapshot(cached);
    throw explain(error, id, access.endpoint);
  }
}

/** What is not said in our own words yet: a full disk, and answers that are not the Hub's. */
function explain(error: unknown, id: string, endpoint: string): unknown {
  if (isDiskFull(error)) {
    const fix = "Make room, or set HF_HOME to a folder on another disk; the download goes on where it stopped.";
    return diskFull(id, error, fix);
  }
  if (error instanceof SyntaxError || error instanceof TypeError) {
    return new ArtifactError({
      code: "not_a_hub",
      what: `${endpoint} does not answer as a Hub does`,
      where: id,
      fix: "Correct HF_ENDPOINT.",
      cause: error,
    });
  }
  return error;
}

/** A folder as it is; the base of an adapter is fetched where it is not here. */
async function localFolder(dir: string, isDirectory: boolean, options: ResolveOptions): Promise<string> {
  if (isDirectory && isAdapterFolder(dir)) {
    const { base } = await readAdapterConfig(dir);
    if (base !== undefined && !existsSync(base) && !existsSync(resolve(dir, base))) await resolveModel(base, options);
    return dir;
  }
  if (isDirectory && (await isFile(join(dir, "config.json")))) return dir;
  throw new ArtifactError({
    code: "not_a_model_folder",
    what: isDirectory ? "the folder has no config.json" : "a file, not a model folder",
    where: dir,
    fix: "Give a folder in Hugging Face layout (config.json, model.safetensors, tokenizer.json) or a Hub id.",
  });
}

function checkNames(id: string, revision: string): void {
  if (!ID.test(id) || id.includes("--") || id.includes("..")) {
    throw new InputError({
      code: "bad_model_id",
      what: "neither a folder that exists nor a name that a Hub model can have",
      where: id,
      fix: "Give a model folder, or a Hub id such as google/flan-t5-small.",
    });
  }
  if (!REVISION.test(revision)) throw new InputError({ code: "bad_revision", what: "not a revision", where: revision });
}

async function download(
  id: string,
  model: CachedModel,
  access: HubAccess,
  onProgress: (progress: DownloadProgress) => void,
): Promise<string> {
  const { revision } = model;
  const asked = { id, revision };
  const common = { hubUrl: access.endpoint, fetch: hubFetch(access, asked) };
  const { sha: commit } = await modelInfo({ name: id, revision, additionalFields: ["sha"], ...common });
  if (!/^[0-9a-f]{40}$/.test(commit)) throw new TypeError(`sha "${commit}"`);
  const known = new Map<string, HubFile>();
  for await (const { type, path, size, oid, lfs } of listFiles({
    repo: { type: "model", name: id },
    revision: commit,
    ...common,
  })) {
    const etag = lfs?.oid ?? oid;
    if (type === "file" && etag !== undefined)
      known.set(path, { path, size, etag, sha256: lfs?.oid, gitSha1: lfs === undefined ? oid : undefined });
  }
  const folder = snapshotDir(model, commit);
  const linkAll = async (files: readonly HubFile[]): Promise<void> => {
    for (const { path, etag } of files) await linkBlob(model, commit, path, etag);
  };
  const fetchAll = async (wanted: readonly HubFile[], before: number): Promise<number> => {
    const missing = await missingFiles(model, wanted);
    for (const { path, etag } of wanted.filter((file) => !missing.includes(file)))
      await verifyBlob(blobFile(model, etag), path);
    const totalBytes = before + missing.reduce((total, { size }) => total + size, 0);
    await checkDisk(model, missing);
    let received = before;
    let checked = false;
    for (const file of missing.toSorted((a, b) => Number(isWeights(a)) - Number(isWeights(b)))) {
      if (isWeights(file) && !checked) {
        await linkAll(wanted.filter((small) => !isWeights(small)));
        await checkSmallFiles(folder, id);
        checked = true;
      }
      const onBytes = (bytes: number) => onProgress({ file: file.path, receivedBytes: received + bytes, totalBytes });
      await downloadBlob({ access, asked, commit, file, blob: blobFile(model, file.etag), onBytes });
      received += file.size;
    }
    await linkAll(wanted);
    return received;
  };
  const received = await fetchAll(selectFiles(known, id), 0);
  if (!known.has(WEIGHTS)) {
    const shards = shardFiles(await readFile(join(folder, WEIGHTS_INDEX), "utf8"), id).map((name) => {
      const file = known.get(name);
      if (file === undefined)
        throw new ArtifactError({ code: "missing_shard", what: `the repository has no ${name}`, where: id });
      return file;
    });
    await fetchAll(shards, received);
  }
  await writeRef(model, commit);
  return folder;
}

async function missingFiles(model: CachedModel, files: readonly HubFile[]): Promise<HubFile[]> {
  const missing: HubFile[] = [];
  for (const file of files) if (!(await isFile(blobFile(model, file.etag)))) missing.push(file);
  return missing;
}

/** Throws CapacityError when the disk cannot take what is still missing. */
async function checkDisk(model: CachedModel, missing: readonly HubFile[]): Promise<void> {
  if (missing.length === 0) return;
  let needed = SPARE_BYTES;
  for (const { etag, size } of missing) {
    const part = await stat(`${blobFile(model, etag)}.incomplete`).catch(() => undefined);
    needed += size - (part?.size ?? 0);
  }
  await mkdir(model.folder, { recursive: true });
  const disk = await statfs(model.folder);
  const free = disk.bavail * disk.bsize;
  if (free >= needed) return;
  throw new CapacityError({
    code: "disk_full",
    what: `the model needs ${Math.ceil(needed / 1e6)} MB, ${Math.floor(free / 1e6)} MB are free`,
    where: model.folder,
    fix: "Make room, or set HF_HOME to a folder on another disk.",
  });
}
