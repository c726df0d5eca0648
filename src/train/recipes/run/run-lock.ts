// One run at a time in a folder: a file beside its files names the process that writes there. What a process leaves that was killed is
// taken over; where it cannot be known whether the process lives, because it is another machine's, its owner is asked.

import { existsSync, readFileSync } from "node:fs";
import { link, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
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
  try {
    for (let tries = 0; tries < 3; tries++) {
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
      await removeStale(file, dir);
    }
    throw inProgress(dir, "another process");
  } finally {
    await rm(temporary, { force: true });
  }
}

async function removeStale(file: string, dir: string): Promise<void> {
  const text = await readFile(file, "utf8").catch(() => "");
  const holder = holderOf(text);
  if (holder !== undefined && holder.host !== hostname())
    throw inProgress(dir, `process ${holder.pid} of ${holder.host}`, `If it is gone, delete ${file}. `);
  if (holder !== undefined && isAlive(holder)) throw inProgress(dir, `process ${holder.pid}`);
  await rm(file, { force: true });
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
  const now = beginOf(pid);
  return began === null || now === null || now === began;
}

/** Field 22 of /proc/PID/stat, which follows the name in brackets. */
function beginOf(pid: number): string | null {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return null;
  try {
    const text = readFileSync(file, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch {
    return null;
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
