// The input of a batch: preference pairs, one JSON object a line. A bad line is data about the input, not the end of the run.

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { InputError } from "../shared/errors.ts";
import { type Pair, pairSchema } from "../shared/records.ts";

/** A usable line; `index` counts records (blank lines aside) from 0, `line` counts lines from 1. */
export interface InputRecord {
  index: number;
  line: number;
  /** Hash of prompt, chosen and rejected. */
  hash: string;
  pair: Pair;
}

/** A record without a result, and why; a line of inference_errors.jsonl. */
export interface RecordFailure {
  line: number;
  prompt?: string;
  error: string;
}

export interface BatchInput {
  records: InputRecord[];
  unusable: RecordFailure[];
  /** sha256 of the whole file. */
  sha256: string;
}

/** Reads the first `limit` records. Throws InputError when the file is missing, empty or holds no usable record. */
export async function readPairs(file: string, limit = Infinity): Promise<BatchInput> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    const missing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    throw new InputError({
      code: missing ? "no_input" : "unreadable_input",
      what: missing ? "the input file does not exist" : `the input cannot be read: ${describe(cause)}`,
      where: file,
      fix: "Name a JSONL file of pairs with --input, or make one: npm run prepare-data.",
      cause,
    });
  });
  const lines = new TextDecoder().decode(bytes).split("\n");
  const records: InputRecord[] = [];
  const unusable: RecordFailure[] = [];
  for (const [number, text] of lines.entries()) {
    const index = records.length + unusable.length;
    if (index >= limit) break;
    if (text.trim() === "") continue;
    const parsed = parseLine(text);
    if ("error" in parsed) unusable.push({ line: number + 1, error: parsed.error });
    else records.push({ index, line: number + 1, hash: hashPair(parsed.pair), pair: parsed.pair });
  }
  const [first] = unusable;
  if (records.length === 0) {
    throw new InputError({
      code: first === undefined ? "empty_input" : "no_usable_record",
      what: first === undefined ? "the input holds no record" : `no line is a usable pair; the first: ${first.error}`,
      where: first === undefined ? file : `${file}, line ${first.line}`,
      fix: "Each line is a JSON object with prompt, chosen and rejected.",
    });
  }
  return { records, unusable, sha256: createHash("sha256").update(bytes).digest("hex") };
}

function parseLine(text: string): { pair: Pair } | { error: string } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    return { error: `not JSON: ${describe(cause)}` };
  }
  const parsed = pairSchema.safeParse(json);
  if (parsed.success) return { pair: parsed.data };
  const issue = parsed.error.issues[0];
  const field = issue?.path.join(".") ?? "";
  return { error: field === "" ? "not a JSON object" : `field "${field}": ${issue?.message ?? "invalid"}` };
}

function hashPair({ prompt, chosen, rejected }: Pair): string {
  return createHash("sha256")
    .update(JSON.stringify([prompt, chosen, rejected]))
    .digest("hex")
    .slice(0, 16);
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
