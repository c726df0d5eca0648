// Finished problems on disk as they finish, so that a stopped rollout goes on where it was.
// rollouts.partial.jsonl: a first line that says what the run was, then one line a finished problem.

import { createReadStream, existsSync } from "node:fs";
import { appendFile, mkdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";
import { InputError } from "../../../shared/errors.ts";
import { parseJournal } from "../../../shared/journal.ts";
import { type Rollout, rolloutSchema } from "./rollout.ts";

/** What a rollout depends on; rollouts of two runs mix only when all of it is equal. */
export type RunIdentity = Readonly<Record<string, string | number | boolean | null>>;

const headSchema = z.object({
  format: z.literal(1),
  run: z.record(z.string(), z.json()),
  /** Of the command line that began it. */
  words: z.array(z.string()).default([]),
});
const lineSchema = z.object({ index: z.number().int().nonnegative(), rollout: rolloutSchema });

export interface RolloutJournal {
  /** Finished problems, by index. */
  readonly finished: ReadonlyMap<number, Rollout>;
  /** Adds finished problems in one write. */
  append(finished: readonly (readonly [index: number, rollout: Rollout])[]): Promise<void>;
  /** Deletes the file: everything is in the results. */
  remove(): Promise<void>;
}

/**
 * Opens the journal. With `resume`, earlier lines are kept and a half-written last one is cut off; with `overwrite` it starts anew.
 * Throws InputError when an earlier run lies there and neither is said, or when it had other settings.
 */
export async function openRolloutJournal(
  path: string,
  run: RunIdentity,
  mode: { resume: boolean; overwrite: boolean; words?: readonly string[] | undefined },
): Promise<RolloutJournal> {
  await mkdir(dirname(path), { recursive: true });
  const finished = new Map<number, Rollout>();
  const earlier = mode.overwrite ? Buffer.alloc(0) : await readFile(path).catch(() => Buffer.alloc(0));
  if (earlier.length > 0 && !mode.resume) {
    const what = "a rollout that was stopped lies there";
    const fix = "Go on with it with --resume, or start anew with --overwrite.";
    throw new InputError({ code: "unfinished_run", what, where: path, fix });
  }
  const whole = earlier.subarray(0, earlier.lastIndexOf(0x0a) + 1);
  if (whole.length === 0) await writeFile(path, `${JSON.stringify({ format: 1, run, words: mode.words ?? [] })}\n`);
  else {
    const { head, entries } = parseJournal(whole.toString("utf8"), headSchema, lineSchema);
    if (head === undefined) {
      const what = "the first line does not say what run this was";
      throw new InputError({ code: "bad_partial", what, where: path, fix: "Start without --resume." });
    }
    for (const [name, value] of Object.entries(run)) {
      if (head.run[name] === value) continue;
      throw new InputError({
        code: "different_run",
        what: `the stopped run had ${name} ${JSON.stringify(head.run[name] ?? null)}, not ${JSON.stringify(value)}`,
        where: path,
        fix: "Resume with the same settings (without flags they are the run's own), or start anew with --overwrite in place of --resume.",
      });
    }
    await truncate(path, whole.length);
    for (const { index, rollout } of entries) finished.set(index, rollout);
  }
  return {
    finished,
    async append(entries) {
      for (const [index, rollout] of entries) finished.set(index, rollout);
      await appendFile(path, entries.map(([index, rollout]) => `${JSON.stringify({ index, rollout })}\n`).join(""));
    },
    remove: () => rm(path, { force: true }),
  };
}

/** The words of the command line that began the rollout whose journal this is; undefined where there is none. */
export async function wordsOfRollout(path: string): Promise<string[] | undefined> {
  if (!existsSync(path)) return undefined;
  const lines = createInterface({ input: createReadStream(path) });
  try {
    for await (const line of lines) return headSchema.safeParse(parsedJson(line)).data?.words;
  } finally {
    lines.close();
  }
  return undefined;
}

function parsedJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
