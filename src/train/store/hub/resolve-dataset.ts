// A data set of the Hub becomes local files, in the cache that models lie in, too: by the Hub's own conversion to Parquet
// (refs/convert/parquet) where no revision is named and there is one, else by the repository's own files.

import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { datasetInfo, listFiles } from "@huggingface/hub";
import { InputError } from "../../../shared/errors.ts";
import { countRows } from "../../data/files/parquet.ts";
import { type DatasetId, selectDataFiles } from "./dataset-id.ts";
import { downloadBlob } from "./download-blob.ts";
import { blobFile, type CachedModel, cachedModel, isFile, linkBlob, snapshotDir, writeRef } from "./hub-cache.ts";
import { type Asked, hubAccess, hubFetch, isOffline } from "./hub-request.ts";
import type { ResolveOptions } from "./resolve-model.ts";
import type { HubFile } from "./select-files.ts";
import { verifyBlob } from "./verify-cache.ts";

export interface DatasetOptions extends ResolveOptions {
  /** Only so many first files as hold this many records; Parquet only, whose rows can be counted. */
  maxRecords?: number | undefined;
  /** Lines for the user: what will be fetched, before it is. */
  log?: ((line: string) => void) | undefined;
}

const CONVERTED = "refs/convert/parquet";

/** Files of the data set's split, in order. Throws as `resolveModel`, and InputError for a data set without such a split. */
export async function resolveDataset(asked: DatasetId, options: DatasetOptions = {}): Promise<string[]> {
  const revisions = asked.revision === undefined ? [CONVERTED, "main"] : [asked.revision];
  const offline = isOffline(options);
  for (const [i, revision] of revisions.entries()) {
    const cache = cachedModel(asked.id, revision, options.cacheDir, "dataset");
    try {
      return offline ? await fromCache(cache, asked) : await download(cache, asked, options);
    } catch (error) {
      const isMissing = error instanceof InputError && ["no_revision", "not_cached"].includes(error.code);
      if (!isMissing || i === revisions.length - 1) throw error;
    }
  }
  throw new TypeError("no revision"); // the last one returns or throws
}

async function download(cache: CachedModel, dataset: DatasetId, options: DatasetOptions): Promise<string[]> {
  const { log = () => {}, onProgress = () => {}, maxRecords = Number.POSITIVE_INFINITY } = options;
  const { revision } = cache;
  const asked: Asked = { id: `datasets/${dataset.id}`, revision, kind: "data set" };
  const access = hubAccess(options);
  const common = { hubUrl: access.endpoint, fetch: hubFetch(access, asked) };
  const { sha: commit } = await datasetInfo({ name: dataset.id, revision, additionalFields: ["sha"], ...common });
  const known = new Map<string, HubFile>();
  const repo = { type: "dataset", name: dataset.id } as const;
  for await (const { type, path, size, oid, lfs } of listFiles({
    repo,
    revision: commit,
    recursive: true,
    ...common,
  })) {
    const etag = lfs?.oid ?? oid;
    if (type === "file" && etag !== undefined)
      known.set(path, { path, size, etag, sha256: lfs?.oid, gitSha1: lfs === undefined ? oid : undefined });
  }
  const { paths, config, split } = selectDataFiles([...known.keys()], dataset);
  const files = paths.flatMap((path) => known.get(path) ?? []);
  const totalBytes = files.reduce((sum, { size }) => sum + size, 0);
  log(`data set ${dataset.id}: ${config}, ${split}: ${files.length} files, ${(totalBytes / 1e6).toFixed(1)} MB`);
  const local: string[] = [];
  let receivedBytes = 0;
  let records = 0;
  for (const file of files) {
    const blob = blobFile(cache, file.etag);
    const onBytes = (bytes: number): void =>
      onProgress({ file: file.path, receivedBytes: receivedBytes + bytes, totalBytes });
    if (await isFile(blob)) await verifyBlob(blob, file.path);
    else await downloadBlob({ access, asked, commit, file, blob, onBytes });
    receivedBytes += file.size;
    await linkBlob(cache, commit, file.path, file.etag);
    const path = join(snapshotDir(cache, commit), file.path);
    local.push(path);
    records += maxRecords < Number.POSITIVE_INFINITY && /\.parquet$/i.test(path) ? await countRows(path) : 0;
    if (records >= maxRecords) break;
  }
  await writeRef(cache, commit);
  return local;
}

/** What an earlier run fetched. */
async function fromCache(cache: CachedModel, dataset: DatasetId): Promise<string[]> {
  const ref = await readFile(join(cache.folder, "refs", cache.revision), "utf8").catch(() => "");
  const commit = /^[0-9a-f]{40}$/.test(cache.revision) ? cache.revision : ref.trim();
  const folder = commit === "" ? "" : snapshotDir(cache, commit);
  const entries = folder === "" ? [] : await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const paths = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
  if (paths.length === 0) {
    throw new InputError({
      code: "not_cached",
      what: "the data set is not in the cache, and offline mode is on (HF_HUB_OFFLINE)",
      where: `${dataset.id}, ${cache.folder}`,
      fix: "Download it once with offline mode off, or give files of your own.",
    });
  }
  return selectDataFiles(paths, dataset).paths.map((path) => join(folder, path));
}
