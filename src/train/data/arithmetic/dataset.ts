// data/raw/synthetic_prm.json: word problems with a right and a wrong solution each, and labels of their steps.
// Only problems of the preference split, so that neither pretraining nor held-out evaluation meets them.

import { InputError } from "../../../shared/errors.ts";
import { createRng } from "../../../shared/rng.ts";
import { corruptSolution } from "./corrupt.ts";
import { DEFAULT_RANGE, type ProblemRange } from "./generate.ts";
import type { MistakeKind } from "./mistakes.ts";
import { generateSplitProblem } from "./split.ts";

const GENERATOR = "stepwise-dpo arithmetic";
/** Goes up when the same seed gives other records. */
const GENERATOR_VERSION = 1;

/** One line of the file; `prompt`, `chosen` and `rejected` make it a preference pair, the rest is kept beside. */
export interface SyntheticRecord {
  prompt: string;
  chosen: string;
  rejected: string;
  chosen_labels: boolean[];
  rejected_labels: boolean[];
  error_kind: MistakeKind;
  /** Index of the first wrong line of `rejected`. */
  first_wrong: number;
  answer: number;
}

/** `problems` records with prompts that are all different; the same seed gives the same records. Throws InputError for a range outside 1 to 12 steps. */
export function generateRecords(
  problems: number,
  seed: number,
  range: ProblemRange = DEFAULT_RANGE,
): SyntheticRecord[] {
  if (!Number.isInteger(problems) || problems < 1 || problems > 200_000) {
    const fix = "Ask for 1 to 200000.";
    throw new InputError({
      code: "bad_problem_count",
      what: `cannot make ${problems} problems`,
      where: "--problems",
      fix,
    });
  }
  const rng = createRng(seed);
  const records = new Map<string, SyntheticRecord>();
  while (records.size < problems) {
    const problem = generateSplitProblem(rng, "preference", range);
    if (records.has(problem.prompt)) continue;
    const wrong = corruptSolution(problem, rng);
    records.set(problem.prompt, {
      prompt: problem.prompt,
      chosen: problem.steps.join("\n"),
      rejected: wrong.steps.join("\n"),
      chosen_labels: problem.steps.map(() => true),
      rejected_labels: wrong.labels,
      error_kind: wrong.kind,
      first_wrong: wrong.firstWrong,
      answer: problem.answer,
    });
  }
  return [...records.values()];
}

/** The file's text: a header, then one record a line; valid JSON as a whole. */
export function datasetText(records: readonly SyntheticRecord[], seed: number): string {
  const header = { generator: GENERATOR, version: GENERATOR_VERSION, seed, license: "MIT", split: "preference" };
  const fields = Object.entries(header).map(([name, value]) => `"${name}": ${JSON.stringify(value)},\n`);
  return `{\n${fields.join("")}"records": [\n${records.map((record) => JSON.stringify(record)).join(",\n")}\n]\n}\n`;
}
