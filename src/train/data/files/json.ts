// A .json file: one document with a list of records, alone, under a name for such lists or under the name of a split; one record; or JSON
// Lines under this name.

import { readFile, stat } from "node:fs/promises";
import { InputError } from "../../../shared/errors.ts";
import { isObject } from "../bad-record.ts";
import { documentValues, outlineOf, parseValue } from "./json-document.ts";
import { readJsonLines } from "./json-lines.ts";
import { parseLenientJson } from "./lenient-json.ts";
import { tooLong } from "./lines.ts";
import { openBytes } from "./open-bytes.ts";
import { MAX_RECORD_BYTES, type RawItem } from "./raw-record.ts";

/** Names under which a JSON object may hold its records. */
const LIST_FIELDS = ["records", "data", "rows", "pairs", "examples"] as const;

/** How far it is looked for a first line. */
const PEEK_BYTES = 2 ** 20;

/** Records of the file; `split` names the list that is read where a document holds one for each split. */
export async function* readJson(path: string, asked?: string): AsyncGenerator<RawItem> {
  if (await isJsonLines(path)) {
    yield* withoutSplits(readJsonLines(openBytes(path), path), path, asked);
    return;
  }
  const outline = await outlineOf(openBytes(path), path);
  if (outline === "empty") return;
  const split = asked ?? "train";
  const field = outline === "list" ? undefined : listField(outline, split);
  if (outline === "list" || (field !== undefined && field !== split)) withoutSplits([], path, asked);
  if (field === undefined && outline !== "list") {
    if (outline.has("prompt") || outline.has("question")) yield { value: await wholeFile(path), where: path };
    else throw noRecords(outline, path, split);
    return;
  }
  for await (const value of documentValues(openBytes(path), path, field)) {
    const where = field === undefined ? `${path} [${value.index}]` : `${path} ${field}[${value.index}]`;
    yield { value: parseValue(value, path), where };
  }
}

/** The records of a file that is one list. Throws InputError where a split of it is asked for. */
export function withoutSplits<T>(records: T, path: string, split: string | undefined): T {
  if (split === undefined) return records;
  throw new InputError({
    code: "no_splits",
    what: `the file is one list of records: it has no split "${split}"`,
    where: path,
    fix: "Leave --split out, or name that split's own file; a data set of the Hub is named with its split: OWNER/NAME/SPLIT.",
  });
}

/** The list to read; undefined where there is none. */
function listField(outline: ReadonlyMap<string, "list" | "value">, split: string): string | undefined {
  const isList = (name: string): boolean => outline.get(name) === "list";
  const named = LIST_FIELDS.find(isList);
  if (named !== undefined || outline.has("prompt") || outline.has("question")) return named;
  return isList(split) ? split : undefined;
}

function noRecords(outline: ReadonlyMap<string, string>, path: string, split: string): InputError {
  const lists = [...outline].filter(([, kind]) => kind === "list").map(([name]) => name);
  const names = LIST_FIELDS.map((field) => `"${field}"`).join(", ");
  const fix =
    lists.length > 0
      ? `It has lists under ${lists.slice(0, 8).join(", ")}: name one with --split.`
      : `Give a list of records, or an object with one under ${names}.`;
  const what =
    lists.length > 0
      ? `the JSON holds no list of records and no split "${split}"`
      : "the JSON holds no list of records";
  return new InputError({ code: "no_records", what, where: path, fix });
}

async function wholeFile(path: string): Promise<unknown> {
  if ((await stat(path)).size > MAX_RECORD_BYTES) throw tooLong(path, "line 1");
  const text = (await readFile(path, "utf8")).replace(/^\uFEFF/, "");
  return parseValue({ field: undefined, index: undefined, text, line: 1, column: 1 }, path);
}

/** Whether the first line alone is an object and more lines follow: JSON Lines under another name. */
async function isJsonLines(path: string): Promise<boolean> {
  let head = "";
  for await (const chunk of openBytes(path)) {
    head += chunk.toString("latin1"); // brackets and line ends are what is looked for
    if (head.length > PEEK_BYTES) break;
  }
  const lines = head.split("\n").filter((line) => line.trim() !== "");
  try {
    return lines.length > 1 && isObject(parseLenientJson(lines[0] ?? ""));
  } catch {
    return false;
  }
}
