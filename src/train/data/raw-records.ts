// Reads a data file into its records, each with its place, whatever they hold: JSON Lines, a JSON list, or a JSON object with a list.

import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { createInterface } from "node:readline";
import { InputError } from "../../shared/errors.ts";
import { jsonErrorPlace } from "./json-error.ts";

export interface RawRecord {
  value: unknown;
  /** "file.jsonl:12" (lines from 1) or "file.json records[11]" (from 0). */
  where: string;
}

/** A record, or a part of one, that was left out. */
export interface Dropped {
  where: string;
  /** Short and the same for all of a kind, "empty_prompt": what counts are kept by. */
  reason: string;
  /** The sentence for a person. */
  what: string;
}

export interface RawFile {
  records: RawRecord[];
  /** Lines that are not JSON. */
  broken: Dropped[];
}

/** Names under which a JSON object may hold its records. */
const LIST_FIELDS = ["records", "data", "rows", "pairs", "examples"] as const;

/** Reads all records. Throws InputError when the file is missing, empty, broken JSON, or holds no list of records. */
export async function readRawRecords(path: string): Promise<RawFile> {
  const info = await stat(path).catch((cause: unknown) => {
    throw new InputError({
      code: "file_not_found",
      what: "there is no such file",
      where: path,
      fix: "Check the path.",
      cause,
    });
  });
  if (!info.isFile())
    throw new InputError({ code: "not_a_file", what: "not a file", where: path, fix: "Name one data file." });
  const file = /\.(jsonl|ndjson)$/i.test(path) ? await readLines(path) : await readJson(path);
  if (file.records.length + file.broken.length > 0) return file;
  throw new InputError({
    code: "empty_file",
    what: "the file holds no records",
    where: path,
    fix: "Put one JSON object on each line.",
  });
}

async function readLines(path: string): Promise<RawFile> {
  const lines = createInterface({ input: createReadStream(path, "utf8"), crlfDelay: Number.POSITIVE_INFINITY });
  const file: RawFile = { records: [], broken: [] };
  let number = 0;
  for await (const line of lines) addLine(file, line, `${path}:${++number}`);
  return file;
}

function addLine(file: RawFile, line: string, where: string): void {
  const text = line.replace(/^\uFEFF/, "").trim();
  if (text === "") return;
  try {
    const value: unknown = JSON.parse(text);
    file.records.push({ value, where });
  } catch {
    const column = jsonErrorPlace(text).replace(/^line \d+, /, "");
    file.broken.push({ where, reason: "broken_json", what: `the line is not JSON (${column})` });
  }
}

async function readJson(path: string): Promise<RawFile> {
  const text = (await readFile(path, "utf8")).replace(/^\uFEFF/, "");
  if (text.trim() === "") return { records: [], broken: [] };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    if (startsWithJsonLine(text)) {
      const file: RawFile = { records: [], broken: [] };
      text.split("\n").forEach((line, index) => {
        addLine(file, line, `${path}:${index + 1}`);
      });
      return file;
    }
    const fix = "Mend the file there, or write one JSON object a line and name it .jsonl.";
    throw new InputError({
      code: "broken_json",
      what: "the file is not JSON",
      where: `${path}, ${jsonErrorPlace(text)}`,
      fix,
      cause,
    });
  }
  if (Array.isArray(json)) return { records: json.map((value, i) => ({ value, where: `${path} [${i}]` })), broken: [] };
  if (isObject(json)) {
    for (const field of LIST_FIELDS) {
      const list = json[field];
      if (Array.isArray(list))
        return { records: list.map((value, i) => ({ value, where: `${path} ${field}[${i}]` })), broken: [] };
    }
    if ("prompt" in json || "question" in json) return { records: [{ value: json, where: path }], broken: [] };
  }
  const fix = `Give a list of records, or an object with one under ${LIST_FIELDS.map((field) => `"${field}"`).join(", ")}.`;
  throw new InputError({ code: "no_records", what: "the JSON holds no list of records", where: path, fix });
}

/** Whether the first line alone is an object and more lines follow: JSON Lines under another name. */
function startsWithJsonLine(text: string): boolean {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  try {
    return lines.length > 1 && isObject(JSON.parse(lines[0] ?? ""));
  } catch {
    return false;
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
