// Data files to labelled solutions: each record by its own shape, bad ones dropped with their place, equal solutions taken once.

import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { InputError } from "../../../shared/errors.ts";
import { openRecords } from "../files/open-records.ts";
import { type Dropped, isBroken } from "../files/raw-record.ts";
import { readRecord } from "../formats/read-record.ts";
import { checkSolutionLabels, type LabelledSolution } from "../labelled-solution.ts";
import { labelsOfRecord } from "./labels-of-record.ts";

export interface ReadLabels {
  solutions: LabelledSolution[];
  dropped: Dropped[];
}

/** What a folder may hold to train on, the first that is there, and what to evaluate on beside it. */
const FOLDER_FILES = [
  { train: "steps.jsonl", eval: "eval_steps.jsonl" },
  { train: "train.jsonl", eval: "eval.jsonl" },
] as const;

/** The files that a path stands for: a rollout's steps, or prepared pairs with labels. Throws InputError when there is nothing. */
export async function labelFiles(path: string): Promise<{ train: string; eval?: string }> {
  const info = await stat(path).catch((cause: unknown) => {
    const fix = "Name a file, or a folder with steps.jsonl or train.jsonl.";
    throw new InputError({ code: "data_not_found", what: "there is no such file or folder", where: path, fix, cause });
  });
  if (!info.isDirectory()) return { train: path };
  for (const names of FOLDER_FILES) {
    const [train, evaluation] = [join(path, names.train), join(path, names.eval)];
    if (existsSync(train)) return existsSync(evaluation) ? { train, eval: evaluation } : { train };
  }
  throw new InputError({
    code: "data_not_found",
    what: "the folder has neither steps.jsonl nor train.jsonl",
    where: path,
    fix: "Make step labels with npm run rollout, or prepare data with npm run prepare-data.",
  });
}

/** Reads one file. Throws InputError when it cannot be read or no record has step labels. */
export async function readStepLabels(path: string): Promise<ReadLabels> {
  const dropped: Dropped[] = [];
  const solutions = new Map<string, LabelledSolution>();
  for await (const item of openRecords(path)) {
    if (isBroken(item)) {
      dropped.push(item);
      continue;
    }
    try {
      for (const read of labelsOfRecord(readRecord(item.value).parsed)) {
        const solution = checkSolutionLabels(read);
        const key = JSON.stringify([solution.prompt, solution.steps]);
        const known = solutions.get(key);
        solutions.set(key, known === undefined ? solution : { ...known, labels: mergeLabels(known, solution) });
      }
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      dropped.push({ where: item.where, reason: error.code, what: error.what });
    }
  }
  if (solutions.size > 0) return { solutions: [...solutions.values()], dropped };
  const first = dropped[0];
  throw new InputError({
    code: "no_usable_records",
    what: `none of ${dropped.length} records has step labels${first === undefined ? "" : `; the first: ${first.what} (${first.where})`}`,
    where: path,
    fix: "Records need prompt, completions and labels; or pairs with chosen_labels and rejected_labels; or the fields of PRM800K or Math-Shepherd.",
  });
}

/** Labels of the same solution read twice: what one leaves open the other may say; the first has the last word. */
function mergeLabels(first: LabelledSolution, second: LabelledSolution): LabelledSolution["labels"] {
  return first.labels.map((label, i) => label ?? second.labels[i]);
}
