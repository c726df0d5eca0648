// The pairs of a run: a folder that prepare-data wrote, or any data file that it could read.

import { stat } from "node:fs/promises";
import { join } from "node:path";
import { InputError } from "../../../shared/errors.ts";
import type { Dropped } from "../files/raw-record.ts";
import type { LabelledPair } from "../labelled-pair.ts";
import { type PairOptions, readPairs } from "./read-pairs.ts";

export interface LoadedPairs {
  pairs: LabelledPair[];
  dropped: Dropped[];
}

/**
 * Loads `train.jsonl` or `eval.jsonl` of a folder; a file is training data as a whole and has no evaluation pairs.
 * Evaluation pairs may be missing: then the list is empty. Throws InputError when there is nothing to train on.
 */
export async function loadPairs(
  path: string,
  split: "train" | "eval" = "train",
  options: PairOptions = {},
): Promise<LoadedPairs> {
  const info = await stat(path).catch((cause: unknown) => {
    const fix = "Make it with: npm run prepare-data -- --input FILE --output DIR.";
    throw new InputError({
      code: "data_not_found",
      what: "there is no such data file or folder",
      where: path,
      fix,
      cause,
    });
  });
  if (!info.isDirectory()) return split === "train" ? readPairs(path, options) : { pairs: [], dropped: [] };
  const file = join(path, `${split}.jsonl`);
  const size = await stat(file).then(
    ({ size }) => size,
    () => 0,
  );
  if (size > 0) return readPairs(file, options);
  if (split === "eval") return { pairs: [], dropped: [] };
  const fix = `Make it with: npm run prepare-data -- --input FILE --output ${path}.`;
  throw new InputError({
    code: "data_not_found",
    what: "the folder has no train.jsonl, or an empty one",
    where: path,
    fix,
  });
}
