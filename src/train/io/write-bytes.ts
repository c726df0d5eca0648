// Large files: every byte written, and a full disk said in plain words.

import type { FileHandle } from "node:fs/promises";
import { diskFull, isDiskFull } from "./disk-full.ts";

const MAX_WRITE_BYTES = 1 << 30;

/** Appends all of `bytes` to an open file. Throws CapacityError when the disk is full. */
export async function writeBytes(file: FileHandle, bytes: Uint8Array, path: string): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    try {
      // one write may take less than asked, and the system refuses writes of 2 GiB
      done += (await file.write(bytes, done, Math.min(bytes.length - done, MAX_WRITE_BYTES))).bytesWritten;
    } catch (cause) {
      throw isDiskFull(cause) ? diskFull(path, cause) : cause;
    }
  }
}
