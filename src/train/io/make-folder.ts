// Makes a folder step by step. Node's own recursive mkdir never returns below some special places, such as /proc.

import { existsSync, statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { InputError } from "../../shared/errors.ts";

/** Makes `path` and what is missing above it; returns the folders that it made, the deepest last. Throws InputError where that cannot be. */
export async function makeFolder(path: string): Promise<string[]> {
  const missing: string[] = [];
  let at = resolve(path);
  for (; !existsSync(at) && dirname(at) !== at; at = dirname(at)) missing.unshift(at);
  const refuse = (what: string, cause?: unknown): InputError =>
    new InputError({ code: "cannot_write", what, where: path, fix: "Name another output with --output.", cause });
  if (!statSync(at).isDirectory())
    throw refuse(at === resolve(path) ? "it is a file, not a folder" : `${at} is a file`);
  for (const folder of missing) {
    await mkdir(folder).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== "EEXIST") throw refuse(`cannot make the folder (${cause.code ?? cause.message})`, cause);
    });
  }
  return missing;
}
