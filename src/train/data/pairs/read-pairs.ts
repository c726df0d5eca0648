// A data file of any supported format to preference pairs: each record by its own shape, bad ones dropped with their place.

import { InputError } from "../../../shared/errors.ts";
import { parseMathShepherdRow } from "../formats/math-shepherd.ts";
import { parsePlainPair } from "../formats/plain.ts";
import { parsePrm800k } from "../formats/prm800k.ts";
import { isStepPair, parseStepPair } from "../formats/step-dpo.ts";
import { pairStepwiseRows, parseStepwiseRow, type StepwiseRow } from "../formats/stepwise.ts";
import { badRecord, cleanPair, type LabelledPair } from "../labelled-pair.ts";
import { type Dropped, isObject, readRawRecords } from "../raw-records.ts";

export const FORMATS = ["pairs", "step_pairs", "stepwise", "prm800k", "math_shepherd"] as const;
export type Format = (typeof FORMATS)[number];

export interface ReadPairs {
  pairs: LabelledPair[];
  dropped: Dropped[];
  /** Records in the file, bad ones included. */
  recordsRead: number;
  /** Records by their shape; those of no known shape are only in `dropped`. */
  formats: Record<Format, number>;
}

/** The format a record is in. Throws InputError with code `not_an_object` or `unknown_format`. */
export function detectFormat(value: unknown): { format: Format; record: Record<string, unknown> } {
  if (!isObject(value)) throw badRecord("not_an_object", "the record is not a JSON object");
  if ("chosen" in value || "rejected" in value)
    return { format: isStepPair(value) ? "step_pairs" : "pairs", record: value };
  if ("completions" in value) return { format: "stepwise", record: value };
  if (isObject(value.label) && "steps" in value.label) return { format: "prm800k", record: value };
  if (typeof value.input === "string" && typeof value.label === "string")
    return { format: "math_shepherd", record: value };
  const names = Object.keys(value).slice(0, 6).join(", ");
  throw badRecord(
    "unknown_format",
    `fields "${names}" are neither a pair, nor a stepwise row, nor PRM800K, nor Math-Shepherd`,
  );
}

/** Reads all pairs. Throws InputError when the file cannot be read or holds no usable pair. */
export async function readPairs(path: string): Promise<ReadPairs> {
  const { records, broken } = await readRawRecords(path);
  const dropped = [...broken];
  const pairs: LabelledPair[] = [];
  const rows: (StepwiseRow & { where: string })[] = [];
  const formats: Record<Format, number> = { pairs: 0, step_pairs: 0, stepwise: 0, prm800k: 0, math_shepherd: 0 };
  const seen = new Set<string>();
  const keep = (pair: LabelledPair): void => {
    const key = JSON.stringify([pair.prompt, pair.prefix ?? null, pair.chosen, pair.rejected]);
    if (seen.has(key)) throw badRecord("duplicate", "the same pair was read before");
    seen.add(key);
    pairs.push(pair);
  };
  /** Runs one record's part; a bad one is dropped. */
  const attempt = (where: string, run: () => void): void => {
    try {
      run();
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      dropped.push({ where, reason: error.code, what: error.what });
    }
  };
  for (const { value, where } of records) {
    attempt(where, () => {
      const { format, record } = detectFormat(value);
      formats[format]++;
      if (format === "stepwise") rows.push({ ...parseStepwiseRow(record), where });
      else if (format === "math_shepherd") rows.push({ ...parseMathShepherdRow(record), where });
      else if (format === "pairs") keep(parsePlainPair(record));
      else if (format === "step_pairs") keep(parseStepPair(record));
      else for (const pair of parsePrm800k(record)) attempt(where, () => keep(cleanPair(pair)));
    });
  }
  const stepwise = pairStepwiseRows(rows);
  for (const { pair, row } of stepwise.pairs) attempt(row.where, () => keep(pair));
  for (const { row, error } of stepwise.unpaired)
    dropped.push({ where: row.where, reason: error.code, what: error.what });
  if (pairs.length === 0) throw nothingUsable(path, records.length + broken.length, dropped);
  return { pairs, dropped, recordsRead: records.length + broken.length, formats };
}

/** How often each reason occurs, the most frequent first. */
export function countReasons(dropped: readonly Dropped[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { reason } of dropped) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)));
}

function nothingUsable(path: string, read: number, dropped: readonly Dropped[]): InputError {
  const first = dropped[0];
  const why = first === undefined ? "" : `; the first: ${first.what} (${first.where})`;
  return new InputError({
    code: "no_usable_records",
    what: `none of ${read} records makes a pair${why}`,
    where: path,
    fix: "Records need prompt, chosen and rejected; or prompt, completions and labels; or the fields of PRM800K or Math-Shepherd.",
  });
}
