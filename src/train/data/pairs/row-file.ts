// Solutions that wait for a partner. Any row of a file may still find a better one, so that they are paired at its end: until then they lie
// in a temporary file, and some twenty bytes a row stand in memory.

import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { makeTemporaryFolder, type TemporaryFolder } from "../../io/temporary-folder.ts";
import { writeBytes } from "../../io/write-bytes.ts";
import { isRight, isWrong } from "../labelled-solution.ts";
import { KeyTable } from "./key-table.ts";
import { NumberList } from "./number-list.ts";
import type { SolutionRow } from "./pairs-of-record.ts";

/** A row and the place of its record. */
export type PlacedRow = SolutionRow & { where: string };

/** What a row is worth: of a wrong one a pair is made, with a right one. */
export const VERDICTS = ["right", "wrong", "unknown"] as const;
export type Verdict = (typeof VERDICTS)[number];

const BUFFER_BYTES = 2 ** 18;
const WORD = 2 ** 32;

/** Rows by their number, from 0. Call `close` when done. */
export class RowFile {
  private readonly prompts = new KeyTable();
  private readonly promptNumbers = new NumberList();
  private readonly verdicts = new NumberList();
  /** Where the row begins: low word, high word; a row ends where the next begins. */
  private readonly starts = [new NumberList(), new NumberList()] as const;
  private file: { handle: FileHandle; folder: TemporaryFolder; path: string } | undefined;
  private waiting: Buffer[] = [];
  private waitingBytes = 0;
  private bytes = 0;

  get length(): number {
    return this.verdicts.length;
  }

  get promptCount(): number {
    return this.prompts.size;
  }

  /** Throws CapacityError when the disk is full. */
  async add(row: PlacedRow): Promise<void> {
    const line = Buffer.from(JSON.stringify(row));
    this.promptNumbers.push(this.prompts.add(row.prompt).number);
    this.verdicts.push(VERDICTS.indexOf(verdictOf(row)));
    this.starts[0].push(this.bytes % WORD);
    this.starts[1].push(Math.floor(this.bytes / WORD));
    this.bytes += line.length;
    this.waiting.push(line);
    this.waitingBytes += line.length;
    if (this.waitingBytes >= BUFFER_BYTES) await this.flush();
  }

  promptOf(row: number): number {
    return this.promptNumbers.at(row);
  }

  verdictOf(row: number): Verdict {
    return VERDICTS[this.verdicts.at(row)] ?? "unknown";
  }

  /** Reads a row back. */
  async read(row: number): Promise<PlacedRow> {
    await this.flush();
    const start = this.startOf(row);
    const end = row + 1 < this.length ? this.startOf(row + 1) : this.bytes;
    const line = Buffer.alloc(end - start);
    await this.file?.handle.read(line, 0, line.length, start);
    const { labels, ...rest }: PlacedRow = JSON.parse(line.toString("utf8"));
    // JSON has null for a label that nobody gave
    return { ...rest, labels: labels.map((label) => label ?? undefined) };
  }

  /** Removes the file. */
  async close(): Promise<void> {
    await this.file?.handle.close();
    await this.file?.folder.remove();
    this.file = undefined;
  }

  private startOf(row: number): number {
    return this.starts[1].at(row) * WORD + this.starts[0].at(row);
  }

  private async flush(): Promise<void> {
    if (this.waitingBytes === 0) return;
    this.file ??= await openTemporary();
    const all = Buffer.concat(this.waiting);
    this.waiting = [];
    this.waitingBytes = 0;
    await writeBytes(this.file.handle, all, this.file.path);
  }
}

async function openTemporary(): Promise<{ handle: FileHandle; folder: TemporaryFolder; path: string }> {
  const folder = await makeTemporaryFolder("stepwise-rows-");
  const path = join(folder.dir, "rows.jsonl");
  return { handle: await open(path, "w+"), folder, path };
}

function verdictOf({ isGood, labels }: SolutionRow): Verdict {
  if (isGood ?? labels.every(isRight)) return "right";
  return (isGood === undefined ? labels.some(isWrong) : !isGood) ? "wrong" : "unknown";
}
