// One file of the Hub into the cache's blobs: written to <etag>.incomplete, resumed from there by Range after a cut
// connection or a stopped run, and renamed only when its size and hash are what the Hub said.
// (@huggingface/hub's own downloadFileToCacheDir starts from the beginning each time and checks no hash.)

import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { ArtifactError } from "../../../shared/errors.ts";
import {
  type Asked,
  answered,
  fetchOnce,
  type HubAccess,
  NetworkError,
  networkError,
  withRetry,
} from "./hub-request.ts";
import type { HubFile } from "./select-files.ts";

/** Downloads to `blob`; `onBytes` hears how many bytes of the file are on disk. Throws ArtifactError for a wrong hash. */
export async function downloadBlob(options: {
  access: HubAccess;
  asked: Asked;
  /** Commit that the file is taken from. */
  commit: string;
  file: HubFile;
  blob: string;
  onBytes: (bytes: number) => void;
}): Promise<void> {
  const { access, asked, commit, file, blob, onBytes } = options;
  const incomplete = `${blob}.incomplete`;
  await mkdir(dirname(blob), { recursive: true });
  const url = `${access.endpoint}/${asked.id}/resolve/${commit}/${file.path.split("/").map(encodeURIComponent).join("/")}`;
  if (file.size === 0) await (await open(incomplete, "w")).close();
  while ((await sizeOf(incomplete)) !== file.size) {
    const before = await sizeOf(incomplete);
    try {
      await withRetry(access, () => fetchRest({ access, asked, url, incomplete, size: file.size, onBytes }));
    } catch (error) {
      // a bad line is worth another round of tries as long as bytes arrive
      if (!(error instanceof NetworkError) || (await sizeOf(incomplete)) <= before) throw error;
    }
  }
  await checkHash(incomplete, file, `${asked.id}, ${file.path}`);
  await rename(incomplete, blob);
}

/** One connection: asks for what is missing and appends it. */
async function fetchRest(options: {
  access: HubAccess;
  asked: Asked;
  url: string;
  incomplete: string;
  size: number;
  onBytes: (bytes: number) => void;
}): Promise<void> {
  const { access, asked, url, incomplete, size, onBytes } = options;
  let have = await sizeOf(incomplete);
  if (have > size) have = 0;
  if (have === size) return;
  // no compression: Range counts the bytes of the file as it is
  const headers = { "accept-encoding": "identity", ...(have > 0 ? { range: `bytes=${have}-` } : {}) };
  const response = await answered(await fetchOnce(access, url, { headers }), access, asked);
  const from = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "")?.[1];
  if (response.status !== 206 || Number(from) !== have) have = 0; // the server sends the whole file
  if (response.status === 416 || (response.status === 206 && Number(from) !== have) || response.body === null) {
    await response.body?.cancel();
    await rm(incomplete, { force: true });
    throw networkError(new Error("it did not send the part that was asked for"), access);
  }
  const output = await open(incomplete, have > 0 ? "r+" : "w");
  try {
    for await (const chunk of response.body) {
      if (have + chunk.length > size) throw new Error(`it sent more than ${size} bytes`);
      await output.write(chunk, 0, chunk.length, have);
      have += chunk.length;
      onBytes(have);
    }
  } catch (cause) {
    access.signal?.throwIfAborted();
    if (isDiskError(cause)) throw cause;
    throw networkError(cause, access);
  } finally {
    await output.close();
  }
  if (have < size) throw networkError(new Error(`the connection ended after ${have} of ${size} bytes`), access);
}

async function checkHash(path: string, file: HubFile, where: string): Promise<void> {
  const [hash, expected] = hashOf(file);
  if (hash === undefined) return;
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  const got = hash.digest("hex");
  if (got === expected) return;
  await rm(path, { force: true });
  throw new ArtifactError({
    code: "wrong_hash",
    what: `the downloaded file has hash ${got.slice(0, 12)}…, the Hub says ${expected?.slice(0, 12)}…`,
    where,
    fix: "It was deleted; run again. If it happens again, the mirror (HF_ENDPOINT) serves a damaged file.",
  });
}

/** sha256 of a large file; git's blob id (sha1 of "blob <size>\0" and the content) of a small one. */
function hashOf(file: HubFile): [Hash | undefined, string | undefined] {
  if (file.sha256 !== undefined) return [createHash("sha256"), file.sha256];
  if (file.gitSha1 !== undefined) return [createHash("sha1").update(`blob ${file.size}\0`), file.gitSha1];
  return [undefined, undefined];
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    (entry) => entry.size,
    () => 0,
  );
}

function isDiskError(error: unknown): boolean {
  return error instanceof Error && "syscall" in error && (error.syscall === "write" || error.syscall === "open");
}
