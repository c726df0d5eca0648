// A file of pairs, read in the browser: JSONL or CSV, told apart by what stands in it. A record that is no pair is counted and named, and
// never stops the others.

import { parse } from "csv-parse/browser/esm/sync";

export interface PairRecord {
  /** Line of the file, from 1. */
  line: number;
  prompt: string;
  chosen: string;
  rejected: string;
  /** Scores that the file gives. */
  chosenScore: number | null;
  rejectedScore: number | null;
}

export interface PairFile {
  records: PairRecord[];
  /** The first of what could not be read. */
  faults: { line: number; what: string }[];
  /** All of what could not be read. */
  faultCount: number;
  /** Further records of the file that were left out. */
  leftOut: number;
}

export const MAX_RECORDS = 10_000;
const MAX_FAULTS = 100;

/** Names that a score may have (docs/data.md). */
const SCORE_NAMES = {
  chosen: ["chosen_score", "score_chosen", "chosen_reward"],
  rejected: ["rejected_score", "score_rejected", "rejected_reward"],
};

/** Reads a file's text. Throws Error where it is neither format. */
export function readPairFile(text: string): PairFile {
  const trimmed = text.replace(/^\uFEFF/, "");
  return /^\s*\{/.test(trimmed) ? readJsonLines(trimmed) : readCsv(trimmed);
}

function readJsonLines(text: string): PairFile {
  const file: PairFile = { records: [], faults: [], faultCount: 0, leftOut: 0 };
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      addFault(file, index + 1, "is not JSON");
      continue;
    }
    add(file, value, index + 1);
  }
  return checked(file);
}

function readCsv(text: string): PairFile {
  let rows: { record: Record<string, string>; info: { lines: number } }[];
  try {
    rows = parse(text, { columns: true, info: true, skip_empty_lines: true, relax_column_count: true, trim: false });
  } catch (error) {
    throw new Error(`neither JSON lines nor CSV: ${error instanceof Error ? error.message : String(error)}`);
  }
  const file: PairFile = { records: [], faults: [], faultCount: 0, leftOut: 0 };
  for (const { record, info } of rows) add(file, record, info.lines);
  return checked(file);
}

function add(file: PairFile, value: unknown, line: number): void {
  if (typeof value !== "object" || value === null) {
    addFault(file, line, "is no record");
    return;
  }
  const fields = new Map(Object.entries(value));
  const text = (name: string): string | undefined => {
    const found: unknown = fields.get(name);
    return typeof found === "string" && found.trim() !== "" ? found : undefined;
  };
  const missing = ["prompt", "chosen", "rejected"].filter((name) => text(name) === undefined);
  if (missing.length > 0) {
    addFault(file, line, `has no text in ${missing.map((name) => `"${name}"`).join(", ")}`);
    return;
  }
  if (file.records.length >= MAX_RECORDS) {
    file.leftOut++;
    return;
  }
  const score = (names: readonly string[]): number | null => {
    const found = names.map((name): unknown => fields.get(name)).find((each) => each !== undefined && each !== "");
    const number = typeof found === "string" || typeof found === "number" ? Number(found) : Number.NaN;
    return Number.isFinite(number) ? number : null;
  };
  file.records.push({
    line,
    prompt: text("prompt") ?? "",
    chosen: text("chosen") ?? "",
    rejected: text("rejected") ?? "",
    chosenScore: score(SCORE_NAMES.chosen),
    rejectedScore: score(SCORE_NAMES.rejected),
  });
}

function addFault(file: PairFile, line: number, what: string): void {
  file.faultCount++;
  if (file.faults.length < MAX_FAULTS) file.faults.push({ line, what });
}

function checked(file: PairFile): PairFile {
  if (file.records.length > 0) return file;
  const [first] = file.faults;
  const why = first === undefined ? "it is empty" : `line ${first.line} ${first.what}`;
  throw new Error(`no pair in this file: ${why}. A pair has "prompt", "chosen" and "rejected".`);
}
