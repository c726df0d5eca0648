// A JSON file that must be there and be whole.

import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { ArtifactError, type ErrorParts } from "../../shared/errors.ts";

/** How a file that cannot be read is reported; ArtifactError by default. */
export interface JsonFailure {
  error?: new (parts: ErrorParts) => Error;
  /** What to do about a missing file. */
  fix: string;
}

/** Parses the file. Throws `missing_file` when it cannot be read, `bad_json` when it is not JSON. */
export async function readJson(path: string, failure: JsonFailure): Promise<unknown> {
  const { error: Failure = ArtifactError, fix } = failure;
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new Failure({ code: "missing_file", what: `${basename(path)} cannot be read`, where: path, fix, cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    const what = `${basename(path)} is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new Failure({ code: "bad_json", what, where: path, fix: "Mend or restore the file.", cause });
  }
}
