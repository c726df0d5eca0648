// Benchmarks take a model folder from the command line.

import { stat } from "node:fs/promises";
import { InputError } from "../../../shared/errors.ts";

/** Throws InputError when there is no such folder. */
export async function checkFolder(dir: string): Promise<void> {
  await stat(dir).catch((cause: unknown) => {
    const fix = "Name a folder in Hugging Face layout with --model.";
    throw new InputError({ code: "model_not_found", what: "there is no such folder", where: dir, fix, cause });
  });
}
