// Arrays that processes of one machine hand each other: a file that both have open and nobody else can find, in memory where the system
// keeps one there. Large arrays take a tenth of the time that they take through the pipe between parent and child.

import { closeSync, mkdtempSync, openSync, readSync, rmSync, statfsSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { diskFull, isDiskFull } from "./disk-full.ts";

/** Linux's files in memory. */
const MEMORY_FOLDER = "/dev/shm";

/** A descriptor of a new file with room for `bytes`, gone when the last process that has it ends. The caller closes it. */
export function openExchangeFile(bytes: number): number {
  const dir = mkdtempSync(join(freeBytes(MEMORY_FOLDER) > bytes ? MEMORY_FOLDER : tmpdir(), "stepwise-"));
  try {
    return openSync(join(dir, "exchange"), "wx+", 0o600);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

export function closeExchangeFile(file: number): void {
  closeSync(file);
}

function freeBytes(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return 0; // no such folder
  }
}

/** Writes `values` from element `at` on. Throws CapacityError where there is no room. */
export function writeValues(file: number, values: Float32Array, at: number): void {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  let done = 0;
  try {
    while (done < bytes.length) done += writeSync(file, bytes, done, bytes.length - done, 4 * at + done);
  } catch (cause) {
    if (!isDiskFull(cause)) throw cause;
    throw diskFull(
      `${MEMORY_FOLDER} or ${tmpdir()}`,
      cause,
      "Processes exchange their arrays there: use fewer of them.",
    );
  }
}

/** The `length` values from element `at` on, which must have been written. */
export function readValues(file: number, length: number, at: number): Float32Array {
  const values = new Float32Array(length);
  const bytes = new Uint8Array(values.buffer);
  let done = 0;
  while (done < bytes.length) {
    const read = readSync(file, bytes, done, bytes.length - done, 4 * at + done);
    if (read === 0) throw new RangeError(`element ${at + length} of a file that ends before it`);
    done += read;
  }
  return values;
}
