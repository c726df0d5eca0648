// Files in the Hub cache are named by their hash: large ones by sha256, small ones by git's blob id. A file that another tool cut short
// or a disk damaged is found without a server: its name says its hash.

import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir, readlink, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { ArtifactError } from "../../../shared/errors.ts";

/** Returns the folder. Throws ArtifactError for a file in it whose content is not what its blob's name says; copies (Windows) are not checked. */
export async function verifySnapshot(folder: string): Promise<string> {
  for (const name of await readdir(folder)) {
    const target = await readlink(join(folder, name)).catch(() => undefined);
    if (target !== undefined) await verifyBlob(resolve(folder, target), name);
  }
  return folder;
}

/** Throws ArtifactError when the content of a blob, the file `name` of a model, is not what its own name says. */
export async function verifyBlob(blob: string, name: string): Promise<void> {
  const expected = basename(blob);
  const hash = await hashNamed(expected, blob);
  if (hash === undefined) return;
  await pipeline(createReadStream(blob), hash, { end: false });
  const found = hash.digest("hex");
  if (found === expected) return;
  throw new ArtifactError({
    code: "wrong_hash",
    what: `${name} in the Hub cache is damaged: it has hash ${found.slice(0, 12)}…, not ${expected.slice(0, 12)}…`,
    where: blob,
    fix: "Delete this file and run again: it is then downloaded anew.",
  });
}

async function hashNamed(etag: string, blob: string): Promise<Hash | undefined> {
  if (/^[0-9a-f]{64}$/.test(etag)) return createHash("sha256");
  if (!/^[0-9a-f]{40}$/.test(etag)) return undefined;
  return createHash("sha1").update(`blob ${(await stat(blob)).size}\0`);
}
