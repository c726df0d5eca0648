// The batch's two result files, in input order: JSONL, exact, for programs; CSV (RFC 4180, UTF-8, CRLF) for spreadsheets.
// A spreadsheet runs a cell that begins with = + - or @ as a formula, and these texts come from users and a model: in the CSV
// such a text gets a leading apostrophe. The JSONL keeps every text as it is.

import { appendFile, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "csv-stringify/sync";
import writeFileAtomic from "write-file-atomic";
import { RESULT_COLUMNS, type ResultRecord } from "../shared/records.ts";
import type { RecordFailure } from "./read-pairs.ts";

export const JSONL_FILE = "inference_results.jsonl";
export const CSV_FILE = "inference_results.csv";
export const ERRORS_FILE = "inference_errors.jsonl";
export const PARTIAL_FILE = "inference_results.partial.jsonl";

const ROWS_AT_ONCE = 1_000;

/** One line a record, columns in the order of RESULT_COLUMNS. */
export function encodeJsonl(results: readonly ResultRecord[]): string {
  return results.map((result) => `${JSON.stringify(pick(result))}\n`).join("");
}

/** Header and rows, or only rows; fields with commas, quotes or line breaks are quoted. */
export function encodeCsv(results: readonly ResultRecord[], header = true): string {
  return stringify(results.map(pick), {
    header,
    columns: [...RESULT_COLUMNS],
    record_delimiter: "\r\n",
    // line breaks of any kind are quoted, not only the record delimiter
    quoted_match: /[\r\n]/,
    escape_formulas: true,
  });
}

/**
 * Writes results and errors, each by a temporary file, a thousand rows at a time; without failures an older errors file is removed. Where
 * nothing succeeded, the results of an earlier run stay. Resolves to the number of results.
 */
export async function writeResults(
  folder: string,
  results: Iterable<ResultRecord> | AsyncIterable<ResultRecord>,
  failures: readonly RecordFailure[],
): Promise<number> {
  await mkdir(folder, { recursive: true });
  const [jsonl, csv] = [join(folder, JSONL_FILE), join(folder, CSV_FILE)];
  const [newJsonl, newCsv] = [`${jsonl}.${process.pid}.tmp`, `${csv}.${process.pid}.tmp`];
  let count = 0;
  try {
    await writeFile(newJsonl, "");
    await writeFile(newCsv, encodeCsv([]));
    for await (const rows of inChunks(results)) {
      count += rows.length;
      await appendFile(newJsonl, encodeJsonl(rows));
      await appendFile(newCsv, encodeCsv(rows, false));
    }
    if (count > 0 || failures.length === 0) {
      await rename(newJsonl, jsonl);
      await rename(newCsv, csv);
    }
  } finally {
    await rm(newJsonl, { force: true });
    await rm(newCsv, { force: true });
  }
  if (failures.length === 0) await rm(join(folder, ERRORS_FILE), { force: true });
  else
    await writeFileAtomic(
      join(folder, ERRORS_FILE),
      failures.map((failure) => `${JSON.stringify(failure)}\n`).join(""),
    );
  return count;
}

async function* inChunks(results: Iterable<ResultRecord> | AsyncIterable<ResultRecord>) {
  let rows: ResultRecord[] = [];
  for await (const result of results) {
    rows.push(result);
    if (rows.length < ROWS_AT_ONCE) continue;
    yield rows;
    rows = [];
  }
  if (rows.length > 0) yield rows;
}

function pick({ prompt, model_output, chosen_score, rejected_score, preferred }: ResultRecord): ResultRecord {
  return { prompt, model_output, chosen_score, rejected_score, preferred };
}
