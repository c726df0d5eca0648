// A full disk, said in plain words wherever it is met.

import { CapacityError } from "../../shared/errors.ts";

/** Whether an error says that the disk, or the user's share of it, is full. */
export function isDiskFull(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
}

/** `where` is the file or folder that has no room. */
export function diskFull(where: string, cause: unknown, fix = "Free some space."): CapacityError {
  return new CapacityError({ code: "disk_full", what: "the disk is full", where, fix, cause });
}
