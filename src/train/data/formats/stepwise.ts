// Stepwise supervision as TRL has it: `prompt, completions: string[], labels: (boolean | number)[]`, one row a solution.
// A pair is made of two rows of the same prompt: a row with a false label is rejected, and is paired with that row of all true labels
// that shares the longest run of first steps with it (the earliest such row). No text is made up: a row alone is not paired, since
// the right part of a wrong solution would only teach to stop early.

import { z } from "zod";
import type { InputError } from "../../../shared/errors.ts";
import {
  badRecord,
  cleanPair,
  joinSteps,
  type LabelledPair,
  labelSchema,
  labelsOfLines,
  parseRecord,
} from "../labelled-pair.ts";

export interface StepwiseRow {
  prompt: string;
  steps: string[];
  labels: boolean[];
}

const rowSchema = z.object({ prompt: z.string(), completions: z.array(z.string()), labels: z.array(labelSchema) });

/** Parses a row. Throws InputError with the reason as its code. */
export function parseStepwiseRow(record: Record<string, unknown>): StepwiseRow {
  const { prompt, completions, labels } = parseRecord(rowSchema, record);
  if (completions.length !== labels.length) {
    throw badRecord("label_count", `"labels" has ${labels.length} labels for ${completions.length} completions`);
  }
  const text = joinSteps(completions);
  if (prompt.trim() === "") throw badRecord("empty_prompt", "the prompt is empty");
  if (text === "") throw badRecord("no_steps", '"completions" has no step');
  return { prompt: prompt.trim(), steps: text.split("\n"), labels: labelsOfLines(completions, labels) };
}

export interface StepwisePairs<Row> {
  /** `row` is the rejected one. */
  pairs: { pair: LabelledPair; row: Row }[];
  /** Rows that are in no pair, and why. */
  unpaired: { row: Row; error: InputError }[];
}

/** Pairs up the rows of all prompts, in the order of the rejected rows. */
export function pairStepwiseRows<Row extends StepwiseRow>(rows: readonly Row[]): StepwisePairs<Row> {
  const rightRows = new Map<string, Row[]>();
  for (const row of rows) {
    if (row.labels.every(Boolean)) rightRows.set(row.prompt, [...(rightRows.get(row.prompt) ?? []), row]);
  }
  const result: StepwisePairs<Row> = { pairs: [], unpaired: [] };
  const used = new Set<Row>();
  for (const rejected of rows.filter((row) => !row.labels.every(Boolean))) {
    const chosen = closest(rejected, rightRows.get(rejected.prompt) ?? []);
    if (chosen === undefined) {
      result.unpaired.push({
        row: rejected,
        error: badRecord("no_right_row", "no row of this prompt with only true labels goes another way"),
      });
      continue;
    }
    used.add(chosen);
    const pair = cleanPair({
      prompt: rejected.prompt,
      chosen: chosen.steps.join("\n"),
      rejected: rejected.steps.join("\n"),
      chosen_labels: chosen.labels,
      rejected_labels: rejected.labels,
    });
    result.pairs.push({ pair, row: rejected });
  }
  for (const row of [...rightRows.values()].flat()) {
    if (!used.has(row))
      result.unpaired.push({
        row,
        error: badRecord("no_wrong_row", "no wrong row of this prompt is left to pair it with"),
      });
  }
  return result;
}

function closest<Row extends StepwiseRow>(rejected: Row, candidates: readonly Row[]): Row | undefined {
  const shared = (row: Row): number => {
    const end = row.steps.findIndex((step, i) => step !== rejected.steps[i]);
    return end < 0 ? row.steps.length : end;
  };
  let best: Row | undefined;
  // a right row that is wholly the start of the rejected one would teach to stop early
  for (const row of candidates.filter((candidate) => shared(candidate) < candidate.steps.length)) {
    if (best === undefined || shared(row) > shared(best)) best = row;
  }
  return best;
}
