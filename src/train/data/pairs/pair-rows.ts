// Pairs made of two solutions of the same prompt: one with a wrong step is rejected, and is paired with that right one which shares the
// longest run of first steps with it (the earliest such). No text is made up: a solution without a partner is not paired, since the right part of a
// wrong one would only teach to stop early. Solutions judged as a whole pair up with each other.

import type { InputError } from "../../../shared/errors.ts";
import { badRecord } from "../bad-record.ts";
import { cleanPair, type LabelledPair } from "../labelled-pair.ts";
import { isRight, isWrong } from "../labelled-solution.ts";
import type { SolutionRow } from "./pairs-of-record.ts";

export interface RowPairs<Row> {
  /** `row` is the rejected one. */
  pairs: { pair: () => LabelledPair; row: Row }[];
  /** Rows that are in no pair, and why. */
  unpaired: { row: Row; error: InputError }[];
}

const isGood = (row: SolutionRow): boolean => row.isGood ?? row.labels.every(isRight);
const isBad = (row: SolutionRow): boolean => (row.isGood === undefined ? row.labels.some(isWrong) : !row.isGood);

/** Pairs up the rows of all prompts, in the order of the rejected rows. */
export function pairRows<Row extends SolutionRow>(rows: readonly Row[]): RowPairs<Row> {
  const result: RowPairs<Row> = { pairs: [], unpaired: [] };
  const leave = (row: Row, code: string, what: string): void => {
    result.unpaired.push({ row, error: badRecord(code, what) });
  };
  const rightRows = new Map<string, Row[]>();
  for (const row of rows) {
    if (isGood(row)) rightRows.set(row.prompt, [...(rightRows.get(row.prompt) ?? []), row]);
    else if (!isBad(row)) leave(row, "no_labels", "the labels do not say whether the solution is right");
  }
  const used = new Set<Row>();
  for (const rejected of rows.filter(isBad)) {
    const chosen = closest(rejected, rightRows.get(rejected.prompt) ?? []);
    if (chosen === undefined) {
      leave(rejected, "no_right_row", "no row of this prompt with only true labels goes another way");
      continue;
    }
    used.add(chosen);
    const labelled = chosen.isGood === undefined && rejected.isGood === undefined;
    const pair = (): LabelledPair =>
      cleanPair({
        prompt: rejected.prompt,
        chosen: chosen.steps.join("\n"),
        rejected: rejected.steps.join("\n"),
        ...(labelled && { chosen_labels: chosen.labels, rejected_labels: rejected.labels }),
      });
    result.pairs.push({ pair, row: rejected });
  }
  for (const row of [...rightRows.values()].flat())
    if (!used.has(row)) leave(row, "no_wrong_row", "no wrong row of this prompt is left to pair it with");
  return result;
}

function closest<Row extends SolutionRow>(rejected: Row, candidates: readonly Row[]): Row | undefined {
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
