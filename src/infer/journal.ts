// Finished records on disk as they finish, so that a stopped batch goes on where it was.
// inference_results.partial.jsonl: a first line that says what the run was, then one line per finished record, in any order.

import { type FileHandle, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { InputError } from "../shared/errors.ts";
import { parseJournal } from "../shared/journal.ts";
import { resultSchema } from "../shared/records.ts";
import { printable } from "./printable.ts";

const runSchema = z.object({
  format: z.literal(1),
  input_sha256: z.string(),
  model: z.string(),
  reward_model: z.string(),
  max_new_tokens: z.number(),
  aggregation: z.string(),
});
/** What a result depends on; results of two runs mix only when all of it is equal. */
export type RunIdentity = z.infer<typeof runSchema>;

const entrySchema = z.object({
  index: z.number().int().nonnegative(),
  hash: z.string(),
  result: resultSchema,
  /** What the vocabulary lacks of the record. */
  unknown: z.object({ tokens: z.number(), characters: z.array(z.string()) }).optional(),
});
export type JournalEntry = z.infer<typeof entrySchema>;

export interface Journal {
  /** Entries of the earlier run, by index. */
  finished: ReadonlyMap<number, JournalEntry>;
  /** Adds a finished record; on disk as a whole line or not at all once the promise resolves. */
  append(entry: JournalEntry): Promise<void>;
  close(): Promise<void>;
}

const FIELD_NAMES: Record<keyof RunIdentity, string> = {
  format: "format of the partial file",
  input_sha256: "input file",
  model: "model",
  reward_model: "reward model",
  max_new_tokens: "--max-new-tokens",
  aggregation: "--aggregation",
};

/**
 * Opens the journal. With `resume`, earlier entries are kept and a half-written last line is cut off; without it, the file
 * starts anew and the earlier one is kept as `.previous`. Throws InputError when the earlier run was a different one.
 */
export async function openJournal(file: string, run: RunIdentity, resume: boolean): Promise<Journal> {
  await mkdir(dirname(file), { recursive: true });
  const finished = new Map<number, JournalEntry>();
  const earlier = await readFile(file).catch(() => undefined);
  const whole = earlier?.subarray(0, earlier.lastIndexOf(0x0a) + 1);
  const goesOn = resume && whole !== undefined && whole.length > 0;
  if (goesOn) readEntries(whole, file, run, finished);
  else if (whole !== undefined && whole.indexOf(0x0a) < whole.length - 1) await rename(file, previousFile(file));

  const handle = await open(file, goesOn ? "r+" : "w");
  try {
    if (goesOn) await handle.truncate(whole.length);
    let end = goesOn ? whole.length : 0;
    const write = async (line: unknown) => {
      end += await writeWhole(handle, `${JSON.stringify(line)}\n`, end);
    };
    if (!goesOn) await write(run);
    let queue: Promise<void> = Promise.resolve();
    return {
      finished,
      append(entry) {
        const written = queue.then(() => write(entry));
        queue = written.catch(() => {});
        return written;
      },
      async close() {
        await queue;
        await handle.close();
      },
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Where the journal of an earlier run goes when a new one starts without --resume. */
function previousFile(file: string): string {
  return file.replace(/\.jsonl$/, ".previous.jsonl");
}

/** Removes the earlier run's journal that a completed run made worthless. */
export async function dropPrevious(file: string): Promise<void> {
  await rm(previousFile(file), { force: true });
}

async function writeWhole(handle: FileHandle, text: string, position: number): Promise<number> {
  const bytes = Buffer.from(text);
  for (let offset = 0; offset < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, offset, bytes.length - offset, position + offset);
    offset += bytesWritten;
  }
  return bytes.length;
}

function readEntries(bytes: Buffer, file: string, run: RunIdentity, finished: Map<number, JournalEntry>): void {
  const { head: earlier, entries } = parseJournal(bytes.toString("utf8"), runSchema, entrySchema);
  if (earlier === undefined) {
    throw new InputError({
      code: "bad_partial",
      what: "the first line does not say what run this was",
      where: `${file}, line 1`,
      fix: "Start without --resume; the file is kept aside.",
    });
  }
  for (const field of Object.keys(FIELD_NAMES)) {
    if (!isField(field) || earlier[field] === run[field]) continue;
    throw new InputError({
      code: "different_run",
      what: `the stopped run had a different ${FIELD_NAMES[field]}${shown(earlier[field], run[field])}`,
      where: file,
      fix: "Resume with the same input and settings, or start without --resume.",
    });
  }
  for (const entry of entries) finished.set(entry.index, entry);
}

function isField(name: string): name is keyof RunIdentity {
  return name in FIELD_NAMES;
}

function shown(earlier: string | number, now: string | number): string {
  if (String(earlier).length > 120 || /^[0-9a-f]{64}$/.test(String(earlier))) return "";
  // a server names its models as it likes
  return `: "${printable(String(earlier))}", now "${printable(String(now))}"`;
}
