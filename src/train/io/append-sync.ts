// Whole pieces at the end of an open file, where only a synchronous write will do: logs that grow a record at a time.

import { writeSync } from "node:fs";
import { diskFull, isDiskFull } from "./disk-full.ts";

/** Writes all of `data`; `path` is the file's, for the message. Throws CapacityError for a full disk, whatever part was written by then. */
export function appendSync(fd: number, data: string | Uint8Array, path: string): void {
  const bytes = typeof data === "string" ? Buffer.from(data) : data;
  try {
    for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written);
  } catch (cause) {
    throw isDiskFull(cause)
      ? diskFull(
          path,
          cause,
          "Free some space, then run the same command with --resume: it goes on from the last checkpoint.",
        )
      : cause;
  }
}
