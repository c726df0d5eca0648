// A JSON file that must be there and be whole.

import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { ArtifactError, type ErrorParts } from "../../shared/errors.ts";
import { jsonErrorPosition } from "./json-error.ts";

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
    const { line, column } = jsonErrorPosition(text);
    const what = `${basename(path)} is not JSON from column ${column} of line ${line} on`;
    throw new Failure({ code: "bad_json", what, where: `${path}:${line}`, fix: "Mend or restore the file.", cause });
  }
}
