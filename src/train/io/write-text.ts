// Writes a text file whole or not at all: to a temporary name in the same folder, then renamed.

import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { InputError } from "../../shared/errors.ts";
import { diskFull, isDiskFull } from "./disk-full.ts";

/** Writes `text`, making its folder. Throws CapacityError for a full disk, InputError when the place cannot be written. */
export async function writeText(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFileAtomic(path, text);
  } catch (cause) {
    if (isDiskFull(cause)) throw diskFull(path, cause);
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    const fix = "Name another output with --output.";
    throw new InputError({
      code: "cannot_write",
      what: `cannot write (${code || String(cause)})`,
      where: path,
      fix,
      cause,
    });
  }
}

/** Writes `value` as JSON, indented by two and ending in a newline. Throws as `writeText`. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  await writeText(path, `${JSON.stringify(value, null, 2)}\n`);
}
