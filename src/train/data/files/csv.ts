// CSV (RFC 4180) and TSV with a header row. A cell is text; a column of lists is read as the JSON in it, a column of scores as numbers.

import { Readable } from "node:stream";
import { type Info, parse } from "csv-parse";
import { InputError } from "../../../shared/errors.ts";
import { isObject } from "../bad-record.ts";
import { SCORE_FIELDS } from "../formats/given-scores.ts";
import { parseLenientJson } from "./lenient-json.ts";
import { openBytes } from "./open-bytes.ts";
import { MAX_RECORD_BYTES, type RawItem } from "./raw-record.ts";

/** Columns that hold one number, and columns that hold a list. */
const NUMBERS: ReadonlySet<string> = new Set([...SCORE_FIELDS, "label"]);
const LISTS =
  /^(completions|labels|steps|history|chosen_labels|rejected_labels|chosen_step_scores|rejected_step_scores)$/;

/** Records of the file, named by the header's columns. A row with more or fewer cells is left out with its line. */
export async function* readCsv(path: string, delimiter: "," | "\t"): AsyncGenerator<RawItem> {
  const parser = parse({
    delimiter,
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: MAX_RECORD_BYTES,
    ...(delimiter === "\t" && { quote: null }), // TSV has no quotes: a cell with a tab cannot be written
  });
  const source = Readable.from(openBytes(path));
  source.on("error", (error) => parser.destroy(error));
  let header: string[] | undefined;
  let line = 1;
  try {
    for await (const row of source.pipe(parser)) {
      const { record, info } = row as { record: string[]; info: Info }; // `info` is set
      const where = `${path}:${line}`;
      line = info.lines + 1;
      if (header === undefined) {
        header = checkHeader(record, path);
        continue;
      }
      if (record.length !== header.length) {
        const what = `the row has ${record.length} cells, the header ${header.length}`;
        yield { where, reason: "ragged_row", what };
        continue;
      }
      yield { value: Object.fromEntries(header.map((name, i) => [name, cellValue(name, record[i] ?? "")])), where };
    }
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    const fix = 'Quote cells that hold commas, quotes or line breaks, and write a quote inside as "".';
    throw new InputError({
      code: "broken_csv",
      what: `the file is not CSV: ${why}`,
      where: `${path}, line ${line}`,
      fix,
      cause,
    });
  } finally {
    source.destroy();
    parser.destroy();
  }
}

function checkHeader(names: readonly string[], path: string): string[] {
  const trimmed = names.map((name) => name.trim());
  const twice = trimmed.find((name, i) => trimmed.indexOf(name) !== i);
  if (twice === undefined && trimmed.some((name) => name !== "")) return trimmed;
  throw new InputError({
    code: "bad_header",
    what: twice === undefined ? "the first row names no column" : `the first row names the column "${twice}" twice`,
    where: `${path}, line 1`,
    fix: "The first row of a CSV file has the names of the columns.",
  });
}

/** An empty cell is missing. */
function cellValue(name: string, text: string): unknown {
  if (text === "") return undefined;
  if (NUMBERS.has(name)) {
    if (/^(true|false)$/i.test(text)) return text.toLowerCase() === "true";
    const number = Number(text);
    return text.trim() === "" || (Number.isNaN(number) && text.trim() !== "NaN") ? text : number;
  }
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    const value = parseLenientJson(text);
    // a text may begin with a bracket; messages and lists of steps are what they look like
    return LISTS.test(name) || (Array.isArray(value) && value.length > 0 && value.every(isObject)) ? value : text;
  } catch {
    return text;
  }
}
