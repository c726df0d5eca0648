// The one detection of a record's format: by its own shape, or the one that is forced, after its fields have been given their usual names.

import { InputError } from "../../../shared/errors.ts";
import { badRecord, isObject } from "../bad-record.ts";
import { CHAT_TEMPLATES, type ChatTemplate } from "./chat-template.ts";
import { conversationsFormat } from "./conversations.ts";
import { judgedFormat } from "./judged.ts";
import { mathShepherdFormat } from "./math-shepherd.ts";
import type { Fields, Format, Parsed, ParseOptions } from "./parsed.ts";
import { plainFormat } from "./plain.ts";
import { prm800kFormat } from "./prm800k-record.ts";
import { gsm8kFormat, problemsFormat } from "./problems.ts";
import { processBenchFormat } from "./processbench.ts";
import { responsesFormat, swiftFormat } from "./responses.ts";
import { rolloutsFormat } from "./rollouts.ts";
import { stepPairsFormat } from "./step-dpo.ts";
import { stepwiseFormat } from "./stepwise.ts";
import { transcriptsFormat } from "./transcripts.ts";

/** The first that matches is taken. */
const FORMATS: readonly Format[] = [
  rolloutsFormat,
  stepPairsFormat,
  conversationsFormat,
  transcriptsFormat,
  plainFormat,
  responsesFormat,
  swiftFormat,
  stepwiseFormat,
  prm800kFormat,
  mathShepherdFormat,
  judgedFormat,
  processBenchFormat,
  gsm8kFormat,
  problemsFormat,
];
export const FORMAT_NAMES: readonly string[] = FORMATS.map(({ name }) => name);

export interface ReadOptions {
  /** Taken for every record; by default each is taken by its own shape. */
  format?: string | undefined;
  /** Usual name of a field -> its name in the file, parts of a path separated by dots. */
  columns?: Readonly<Record<string, string>> | undefined;
  chatTemplate?: ChatTemplate | undefined;
}

/**
 * Format and content of a record; `onFormat` is told the format before the content is looked at. Throws InputError with the reason as its
 * code; `what` names the field.
 */
export function readRecord(
  value: unknown,
  options: ReadOptions = {},
  onFormat: (name: string) => void = () => {},
): { format: string; parsed: Parsed } {
  if (!isObject(value)) throw badRecord("not_an_object", "the record is not a JSON object");
  const record = options.columns === undefined ? value : withColumns(value, options.columns);
  const format = FORMATS.find(({ name, matches }) =>
    options.format === undefined ? matches(record) : name === options.format,
  );
  if (format === undefined) {
    const names = Object.keys(record).slice(0, 6).join(", ");
    throw badRecord("unknown_format", `fields "${names}" are neither a pair nor those of any other known format`);
  }
  onFormat(format.name);
  const parseOptions: ParseOptions = { chatTemplate: options.chatTemplate ?? "plain" };
  return { format: format.name, parsed: format.parse(record, parseOptions) };
}

/** The record with its columns under their usual names. */
function withColumns(record: Fields, columns: Readonly<Record<string, string>>): Fields {
  const renamed: Fields = { ...record };
  for (const [usual, column] of Object.entries(columns)) {
    const value = column.split(".").reduce<unknown>((at, part) => (isObject(at) ? at[part] : undefined), record);
    const found = record[column] ?? value;
    if (found === undefined) {
      const names = Object.keys(record).slice(0, 12).join(", ");
      throw badRecord("missing_column", `no column "${column}" (for "${usual}"); the record has ${names}`);
    }
    renamed[usual] = found;
  }
  return renamed;
}

/** `prompt=question,chosen=good` as a map. Throws InputError for what is no such list. */
export function parseColumns(text: string): Record<string, string> {
  const entries = text.split(",").map((part) => part.split("=").map((name) => name.trim()));
  for (const entry of entries) {
    if (entry.length === 2 && entry.every((name) => name !== "")) continue;
    const fix = "Write --columns prompt=question,chosen=good,rejected=bad.";
    throw new InputError({
      code: "bad_columns",
      what: `"${entry.join("=")}" is not NAME=COLUMN`,
      where: "--columns",
      fix,
    });
  }
  return Object.fromEntries(entries.map(([name, column]) => [name ?? "", column ?? ""]));
}

/** Settings of reading from a command line. Throws InputError for an unknown format or template. */
export function readOptions(given: {
  format?: string | null | undefined;
  columns?: string | null | undefined;
  chatTemplate?: string | null | undefined;
}): ReadOptions {
  const { format, columns, chatTemplate } = given;
  const refuse = (flag: string, value: string, known: readonly string[]): never => {
    throw new InputError({
      code: "bad_setting",
      what: `${flag} is "${value}"`,
      fix: `Give one of ${known.join(", ")}.`,
    });
  };
  if (typeof format === "string" && !FORMAT_NAMES.includes(format)) refuse("--format", format, FORMAT_NAMES);
  const template = CHAT_TEMPLATES.find((name) => name === chatTemplate);
  if (typeof chatTemplate === "string" && template === undefined)
    refuse("--chat-template", chatTemplate, CHAT_TEMPLATES);
  return {
    ...(typeof format === "string" && { format }),
    ...(typeof columns === "string" && { columns: parseColumns(columns) }),
    ...(template !== undefined && { chatTemplate: template }),
  };
}
