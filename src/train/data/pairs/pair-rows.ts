// Pairs made of two solutions of the same prompt: one with a wrong step is rejected, and is paired with that right one which shares the
// longest run of first steps with it (the earliest such). No text is made up: a solution without a partner is not paired, since the right part of a
// wrong one would only teach to stop early. Solutions judged as a whole pair up with each other.

import type { InputError } from "../../../shared/errors.ts";
import { badRecord } from "../bad-record.ts";
import { cleanPair, type LabelledPair } from "../labelled-pair.ts";
import { NumberList } from "./number-list.ts";
import type { SolutionRow } from "./pairs-of-record.ts";
import type { PlacedRow, RowFile } from "./row-file.ts";

/** A pair, `row` its rejected one; or a row that is in none, and why. */
export type RowPaired = { pair: () => LabelledPair; row: PlacedRow } | { error: InputError; row: PlacedRow };

/**
 * Pairs up the rows of all prompts: pairs in the order of the rejected rows, then the rows that are left. In memory stand the right rows of
 * one prompt at a time, those of its last rejected row.
 */
export async function* pairRows(rows: RowFile): AsyncGenerator<RowPaired> {
  const rightRows = rightRowsByPrompt(rows);
  const used = new Uint8Array(rows.length);
  const alone = new NumberList();
  let read: { prompt: number; candidates: readonly (readonly [number, PlacedRow])[] } | undefined;
  for (let at = 0; at < rows.length; at++) {
    if (rows.verdictOf(at) !== "wrong") continue;
    const rejected = await rows.read(at);
    const prompt = rows.promptOf(at);
    if (read?.prompt !== prompt) read = { prompt, candidates: await readAll(rows, rightRows.of(prompt)) };
    const chosen = closest(rejected, read.candidates);
    if (chosen === undefined) {
      alone.push(at);
      continue;
    }
    used[chosen[0]] = 1;
    yield { pair: () => pairOf(chosen[1], rejected), row: rejected };
  }
  for (let at = 0; at < rows.length; at++) {
    if (rows.verdictOf(at) !== "unknown") continue;
    const error = badRecord("no_labels", "the labels do not say whether the solution is right");
    yield { error, row: await rows.read(at) };
  }
  for (let i = 0; i < alone.length; i++) {
    const error = badRecord("no_right_row", "no row of this prompt with only true labels goes another way");
    yield { error, row: await rows.read(alone.at(i)) };
  }
  for (const at of rightRows.all()) {
    if (used[at] === 1) continue;
    const error = badRecord("no_wrong_row", "no wrong row of this prompt is left to pair it with");
    yield { error, row: await rows.read(at) };
  }
}

/** Numbers of the right rows, those of a prompt together, prompts in the order of their first right row. */
function rightRowsByPrompt(rows: RowFile): { of(prompt: number): Uint32Array; all(): Iterable<number> } {
  const counts = new Uint32Array(rows.promptCount);
  const order = new NumberList();
  for (let at = 0; at < rows.length; at++) {
    if (rows.verdictOf(at) !== "right") continue;
    const prompt = rows.promptOf(at);
    if (counts[prompt] === 0) order.push(prompt);
    counts[prompt] = (counts[prompt] ?? 0) + 1;
  }
  const starts = new Uint32Array(rows.promptCount);
  let total = 0;
  for (let i = 0; i < order.length; i++) {
    const prompt = order.at(i);
    starts[prompt] = total;
    total += counts[prompt] ?? 0;
  }
  const numbers = new Uint32Array(total);
  const ends = starts.slice();
  for (let at = 0; at < rows.length; at++) {
    if (rows.verdictOf(at) !== "right") continue;
    const prompt = rows.promptOf(at);
    const end = ends[prompt] ?? 0;
    numbers[end] = at;
    ends[prompt] = end + 1;
  }
  return {
    of: (prompt) => numbers.subarray(starts[prompt] ?? 0, (starts[prompt] ?? 0) + (counts[prompt] ?? 0)),
    all: () => numbers,
  };
}

async function readAll(rows: RowFile, numbers: Uint32Array): Promise<[number, PlacedRow][]> {
  const read: [number, PlacedRow][] = [];
  for (const at of numbers) read.push([at, await rows.read(at)]);
  return read;
}

function pairOf(chosen: SolutionRow, rejected: SolutionRow): LabelledPair {
  const labelled = chosen.isGood === undefined && rejected.isGood === undefined;
  return cleanPair({
    prompt: rejected.prompt,
    chosen: chosen.steps.join("\n"),
    rejected: rejected.steps.join("\n"),
    ...(labelled && { chosen_labels: chosen.labels, rejected_labels: rejected.labels }),
  });
}

function closest(
  rejected: SolutionRow,
  candidates: readonly (readonly [number, PlacedRow])[],
): readonly [number, PlacedRow] | undefined {
  let best: { candidate: readonly [number, PlacedRow]; shared: number } | undefined;
  for (const candidate of candidates) {
    const [, row] = candidate;
    const end = row.steps.findIndex((step, i) => step !== rejected.steps[i]);
    // a right row that is wholly the start of the rejected one would teach to stop early
    if (end >= 0 && (best === undefined || end > best.shared)) best = { candidate, shared: end };
  }
  return best?.candidate;
}
