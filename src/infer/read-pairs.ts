// The input of a batch: preference pairs, one JSON object a line. A bad line is data about the input, not the end of the run.

import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { InputError } from "../shared/errors.ts";
import { type Pair, pairSchema } from "../shared/records.ts";

/** A longer line is no record: no worker takes a request of that size. */
const MAX_LINE = 2 ** 24;

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

/** What a file holds, without its records. */
export type CountedInput = Omit<BatchInput, "records"> & { count: number };

/** Reads the first `limit` records. Throws InputError when the file is missing, empty or holds no usable record. */
export async function readPairs(file: string, limit = Infinity): Promise<BatchInput> {
  const records: InputRecord[] = [];
  const { unusable, sha256 } = await readThrough(file, limit, (record) => records.push(record));
  return { records, unusable, sha256 };
}

/** The same, of a file whose records are not kept: memory does not grow with them. */
export async function countPairs(file: string, limit = Infinity): Promise<CountedInput> {
  let count = 0;
  const { unusable, sha256 } = await readThrough(file, limit, () => count++);
  return { count, unusable, sha256 };
}

/** The usable records again, one after the other. Throws InputError where the file is no longer that of `sha256`, at its end. */
export async function* recordsOf(file: string, limit: number, sha256: string): AsyncGenerator<InputRecord> {
  const hash = createHash("sha256");
  for await (const { record } of scan(file, limit, hash)) if (record !== undefined) yield record;
  if (hash.digest("hex") === sha256) return;
  const what = "the input was changed while the command ran";
  throw new InputError({
    code: "input_changed",
    what,
    where: file,
    fix: "Restore it, and run the same command again.",
  });
}

async function readThrough(
  file: string,
  limit: number,
  onRecord: (record: InputRecord) => void,
): Promise<{ unusable: RecordFailure[]; sha256: string }> {
  const hash = createHash("sha256");
  const unusable: RecordFailure[] = [];
  let isUsable = false;
  for await (const { record, failure } of scan(file, limit, hash)) {
    if (failure !== undefined) unusable.push(failure);
    if (record === undefined) continue;
    isUsable = true;
    onRecord(record);
  }
  if (isUsable) return { unusable, sha256: hash.digest("hex") };
  const [first] = unusable;
  throw new InputError({
    code: first === undefined ? "empty_input" : "no_usable_record",
    what: first === undefined ? "the input holds no record" : `no line is a usable pair; the first: ${first.error}`,
    where: first === undefined ? file : `${file}, line ${first.line}`,
    fix: "Each line is a JSON object with prompt, chosen and rejected.",
  });
}

/** Each record of the first `limit`, or why it is none; the bytes of the whole file go into `hash`. */
async function* scan(
  file: string,
  limit: number,
  hash: Hash,
): AsyncGenerator<{ record?: InputRecord; failure?: RecordFailure }> {
  let index = 0;
  for await (const { number, text } of readLines(file, hash)) {
    if (index >= limit || text?.trim() === "") continue;
    const parsed = text === undefined ? { error: `longer than ${MAX_LINE} characters` } : parseLine(text);
    if ("error" in parsed) yield { failure: { line: number, error: parsed.error } };
    else yield { record: { index, line: number, hash: hashPair(parsed.pair), pair: parsed.pair } };
    index++;
  }
}

/** Lines from 1; `text` is undefined for one that is too long. */
async function* readLines(file: string, hash: Hash): AsyncGenerator<{ number: number; text: string | undefined }> {
  const decoder = new TextDecoder();
  let number = 1;
  let open: string | undefined = "";
  for await (const bytes of piecesOf(file)) {
    hash.update(bytes);
    const [first = "", ...others] = decoder.decode(bytes, { stream: true }).split("\n");
    open = joined(open, first);
    for (const next of others) {
      yield { number: number++, text: open };
      open = next;
    }
  }
  yield { number, text: joined(open, decoder.decode()) };
}

function joined(start: string | undefined, end: string): string | undefined {
  return start === undefined || start.length + end.length > MAX_LINE ? undefined : start + end;
}

async function* piecesOf(file: string): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(file, { highWaterMark: 2 ** 18 });
  } catch (cause) {
    const missing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    throw new InputError({
      code: missing ? "no_input" : "unreadable_input",
      what: missing ? "the input file does not exist" : `the input cannot be read: ${describe(cause)}`,
      where: file,
      fix: "Name a JSONL file of pairs with --input, or make one: npm run prepare-data.",
      cause,
    });
  }
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
