// A data file of any supported kind to preference pairs, in one pass: each record by its own shape, bad ones dropped with their place.
// Pairs come as they are read; those made of two rows come at the end, since any row may still find a better partner (row-file.ts).

import { InputError } from "../../../shared/errors.ts";
import { badRecord } from "../bad-record.ts";
import { type FileOptions, openRecords } from "../files/open-records.ts";
import { type Dropped, isBroken, type RawItem } from "../files/raw-record.ts";
import { type ReadOptions, readRecord } from "../formats/read-record.ts";
import type { LabelledPair } from "../labelled-pair.ts";
import { KeyTable } from "./key-table.ts";
import { pairRows } from "./pair-rows.ts";
import { pairsOfRecord } from "./pairs-of-record.ts";
import { RowFile } from "./row-file.ts";

export type PairOptions = ReadOptions & FileOptions;

export interface PairsRead {
  /** Records in the file, bad ones included. */
  recordsRead: number;
  /** Records by the format they were read as; those of no known format are only dropped. */
  formats: Record<string, number>;
}

export interface ReadPairs extends PairsRead {
  pairs: LabelledPair[];
  dropped: Dropped[];
}

/** What is done with a pair or a dropped record as soon as it is read; `keep` may be waited for. */
export interface PairSink {
  keep(pair: LabelledPair): void | Promise<void>;
  drop(dropped: Dropped): void;
}

/** Reads all pairs into `sink`, each once. Throws InputError when the file cannot be read or holds no usable pair. */
export async function streamPairs(
  paths: string | readonly string[],
  sink: PairSink,
  options: PairOptions = {},
): Promise<PairsRead> {
  const rows = new RowFile();
  try {
    return await streamInto(paths, sink, options, rows);
  } finally {
    await rows.close();
  }
}

async function streamInto(
  paths: string | readonly string[],
  sink: PairSink,
  options: PairOptions,
  rows: RowFile,
): Promise<PairsRead> {
  const formats: Record<string, number> = {};
  const seen = new KeyTable();
  let recordsRead = 0;
  let first: Dropped | undefined;
  const drop = (dropped: Dropped): void => {
    first ??= dropped;
    sink.drop(dropped);
  };
  /** Runs one record's part; a bad one is dropped. */
  const attempt = <T>(where: string, run: () => T): T | undefined => {
    try {
      return run();
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      drop({ where, reason: error.code, what: error.what });
      return undefined;
    }
  };
  const keep = async (where: string, make: () => LabelledPair): Promise<void> => {
    const pair = attempt(where, () => {
      const made = make();
      const key = JSON.stringify([made.prompt, made.prefix ?? null, made.chosen, made.rejected]);
      if (!seen.add(key).isNew) throw badRecord("duplicate", "the same pair was read before");
      return made;
    });
    if (pair !== undefined) await sink.keep(pair);
  };
  for await (const item of recordsOf([paths].flat(), options)) {
    recordsRead++;
    if (isBroken(item)) {
      drop(item);
      continue;
    }
    const { value, where } = item;
    const found = attempt(where, () => {
      const { format, parsed } = readRecord(value, options, (name) => {
        formats[name] = (formats[name] ?? 0) + 1;
      });
      return pairsOfRecord(parsed, format);
    });
    for (const pair of found?.pairs ?? []) await keep(where, pair);
    if (found?.row !== undefined) await rows.add({ ...found.row, where });
  }
  for await (const { row, ...made } of pairRows(rows)) {
    if ("pair" in made) await keep(row.where, made.pair);
    else drop({ where: row.where, reason: made.error.code, what: made.error.what });
  }
  if (seen.size === 0) throw nothingUsable([paths].flat().join(", "), recordsRead, first);
  return { recordsRead, formats };
}

async function* recordsOf(paths: readonly string[], options: FileOptions): AsyncGenerator<RawItem> {
  for (const path of paths) yield* openRecords(path, options);
}

/** Reads all pairs into memory. Throws as `streamPairs`. */
export async function readPairs(path: string, options: PairOptions = {}): Promise<ReadPairs> {
  const pairs: LabelledPair[] = [];
  const dropped: Dropped[] = [];
  const sink: PairSink = {
    keep: (pair) => {
      pairs.push(pair);
    },
    drop: (record) => dropped.push(record),
  };
  return { pairs, dropped, ...(await streamPairs(path, sink, options)) };
}

/** How often each reason occurs, the most frequent first. */
export function countReasons(dropped: readonly Dropped[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { reason } of dropped) counts[reason] = (counts[reason] ?? 0) + 1;
  return sortCounts(counts);
}

/** The same counts, the largest first. */
export function sortCounts(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)));
}

function nothingUsable(path: string, read: number, first: Dropped | undefined): InputError {
  const why = first === undefined ? "" : `; the first: ${first.what} (${first.where})`;
  return new InputError({
    code: "no_usable_records",
    what: `none of ${read} records makes a pair${why}`,
    where: path,
    fix: "docs/data.md lists the formats; --columns gives other columns their usual names.",
  });
}
