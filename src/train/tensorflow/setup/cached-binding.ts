// What setup keeps outside the repo, so that `npm ci` costs a copy and not a download:
//   <cache>/tensorflow-<version>/{tensorflow/*.so.2, tensorflow/include, tfjs_binding.node, setup.json}
// The binding carries the absolute path of its libraries: a cache that was moved fails its check and is built anew.

import { createHash } from "node:crypto";
import { copyFile, mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { z } from "zod";
import { bindingFile } from "./binding.ts";

const CACHED_BINDING = "tfjs_binding.node";
const RECORD = "setup.json";

const recordSchema = z.object({
  format: z.literal(1),
  tensorflow: z.string(),
  tfjsNode: z.string(),
  platform: z.string(),
  sha256: z.string(),
});
export type SetupRecord = z.infer<typeof recordSchema>;

/** Default cache: $XDG_CACHE_HOME/stepwise-dpo, else ~/.cache/stepwise-dpo. */
export function defaultCacheDir(): string {
  const base = process.env.XDG_CACHE_HOME;
  return join(base === undefined || base === "" ? join(homedir(), ".cache") : base, "stepwise-dpo");
}

const thisPlatform = `${process.platform}-${process.arch}`;

/** Version in the package.json of `packageDir`. */
export async function packageVersion(packageDir: string): Promise<string> {
  return z.object({ version: z.string() }).parse(JSON.parse(await readFile(join(packageDir, "package.json"), "utf8")))
    .version;
}

/** Copies a file into its place by way of a temporary name in the same folder. */
export async function copyAtomic(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  const temporary = `${to}.${process.pid}.tmp`;
  try {
    await copyFile(from, temporary);
    await rename(temporary, to);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Writes the record that makes a cache folder valid; called after the binding was seen to work. */
export async function recordBinding(folder: string, versions: { tensorflow: string; tfjsNode: string }): Promise<void> {
  const record: SetupRecord = {
    format: 1,
    ...versions,
    platform: thisPlatform,
    sha256: await sha256(join(folder, CACHED_BINDING)),
  };
  await writeFileAtomic(join(folder, RECORD), `${JSON.stringify(record, null, 2)}\n`);
}

/** Path of the binding inside a cache folder. */
export function cachedBindingFile(folder: string): string {
  return join(folder, CACHED_BINDING);
}

/** Puts the cached binding into the package. Returns undefined on success, else why there is none that fits. */
export async function installCachedBinding(cacheDir: string, packageDir: string): Promise<string | undefined> {
  const version = await packageVersion(packageDir);
  const folders = await readdir(cacheDir).catch(() => []);
  let reason = "nothing is cached";
  for (const name of folders
    .filter((folder) => folder.startsWith("tensorflow-"))
    .sort()
    .reverse()) {
    const folder = join(cacheDir, name);
    const record = await readRecord(folder);
    if (record === undefined) reason = `${name} has no ${RECORD}`;
    else if (record.platform !== thisPlatform || record.tfjsNode !== version)
      reason = `${name} was built for ${record.platform}, tfjs-node ${record.tfjsNode}`;
    else if ((await sha256(cachedBindingFile(folder)).catch(() => "")) !== record.sha256)
      reason = `${name}: the binding's checksum differs`;
    else {
      await copyAtomic(cachedBindingFile(folder), bindingFile(packageDir));
      return undefined;
    }
  }
  return reason;
}

/** True when the folder holds libraries and headers, so that nothing must be downloaded. */
export async function hasTensorFlow(folder: string, libraries: readonly string[]): Promise<boolean> {
  const needed = [...libraries, "include/tensorflow/c/c_api.h"].map((file) => stat(join(folder, "tensorflow", file)));
  return (await Promise.allSettled(needed)).every((result) => result.status === "fulfilled");
}

async function readRecord(folder: string): Promise<SetupRecord | undefined> {
  try {
    return recordSchema.parse(JSON.parse(await readFile(join(folder, RECORD), "utf8")));
  } catch {
    return undefined;
  }
}

async function sha256(file: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(file))
    .digest("hex");
}
