// One run at a time in a folder: a file beside its files names the process that writes there. What a process leaves that was killed is
// taken over; where it cannot be known whether the process lives, because it is another machine's, its owner is asked.

import { existsSync, readFileSync } from "node:fs";
import { link, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { z } from "zod";
import { InputError } from "../../../shared/errors.ts";
import { makeFolder } from "../../io/make-folder.ts";

export const LOCK_FILE = ".run.lock";

const holderSchema = z.object({
  pid: z.number().int().positive(),
  host: z.string(),
  /** When the process began, in ticks since the machine did: a number is given to another process later. null: not known here. */
  began: z.string().nullable(),
});
type Holder = z.infer<typeof holderSchema>;

/** A process that was killed a moment ago may take so long to be gone: it gives its memory back first. */
const DYING_MS = 5_000;
const LOOK_MS = 50;

/** Folders that this process has. */
const held = new Set<string>();

/** Does `work` while no other run may write in `dir`, which is made. Throws InputError `run_in_progress` where one does. */
export async function withRunLock<T>(dir: string, work: () => Promise<T>): Promise<T> {
  const made = await makeFolder(dir);
  const name = resolve(dir);
  const file = join(name, LOCK_FILE);
  if (held.has(name)) throw inProgress(dir, "this process");
  held.add(name);
  try {
    await take(file, dir);
    try {
      return await work();
    } finally {
      await rm(file, { force: true });
    }
  } finally {
    held.delete(name);
    // a run that came to nothing leaves no empty folder
    for (const folder of made.reverse()) await rmdir(folder).catch(() => {});
  }
}

async function take(file: string, dir: string): Promise<void> {
  const own: Holder = { pid: process.pid, host: hostname(), began: beginOf(process.pid) };
  const text = `${JSON.stringify(own)}\n`;
  const temporary = `${file}.${process.pid}`;
  await writeFile(temporary, text);
  const until = Date.now() + DYING_MS;
  try {
    for (let taken = 0; taken < 3; ) {
      const isMine = await link(temporary, file).then(
        () => true,
        (error: NodeJS.ErrnoException) => {
          if (error.code === "EEXIST") return false;
          // a file system without hard links
          return writeFile(file, text, { flag: "wx" }).then(
            () => true,
            (other: NodeJS.ErrnoException) => {
              if (other.code === "EEXIST") return false;
              throw other;
            },
          );
        },
      );
      if (isMine) return;
      const living = await removeStale(file, dir);
      if (living === undefined) taken++;
      else if (Date.now() < until) await setTimeout(LOOK_MS);
      else throw inProgress(dir, `process ${living.pid}`);
    }
    throw inProgress(dir, "another process");
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Removes what is nobody's; the holder, where it lives. Throws InputError where that cannot be known. */
async function removeStale(file: string, dir: string): Promise<Holder | undefined> {
  const text = await readFile(file, "utf8").catch(() => "");
  const holder = holderOf(text);
  if (holder !== undefined && holder.host !== hostname())
    throw inProgress(dir, `process ${holder.pid} of ${holder.host}`, `If it is gone, delete ${file}. `);
  if (holder !== undefined && isAlive(holder)) return holder;
  await rm(file, { force: true });
  return undefined;
}

/** undefined: the file is gone or no lock's; it is linked whole, so that it is nobody's. */
function holderOf(text: string): Holder | undefined {
  try {
    return holderSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function isAlive({ pid, began }: Holder): boolean {
  if (pid === process.pid) return false; // an earlier process of this number: this one's folders are known
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
  }
  const [state = "", now = null] = statOf(pid);
  // ended, and nobody has asked how: in a container without an init process it stays so
  if (state === "Z" || state === "X") return false;
  return began === null || now === null || now === began;
}

function beginOf(pid: number): string | null {
  return statOf(pid)[1] ?? null;
}

/** State and begin of a process: fields 3 and 22 of /proc/PID/stat, which follow its name in brackets. None where that is not known. */
function statOf(pid: number): string[] {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return [];
  try {
    const text = readFileSync(file, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return [fields[0], fields[19]].flatMap((field) => field ?? []);
  } catch {
    return [];
  }
}

function inProgress(dir: string, who: string, more = ""): InputError {
  return new InputError({
    code: "run_in_progress",
    what: `a run is being written there by ${who}`,
    where: dir,
    fix: `${more}Wait for it, stop it, or choose another --output.`,
  });
}
