// What a data file is read into, whatever it holds: its records, each with its place.

export interface RawRecord {
  value: unknown;
  /** "file.jsonl:12" (lines from 1), "file.json records[11]" or "file.parquet row 11" (from 0). */
  where: string;
}

/** A record, or a part of one, that was left out. */
export interface Dropped {
  where: string;
  /** Short and the same for all of a kind, "empty_prompt": what counts are kept by. */
  reason: string;
  /** The sentence for a person. */
  what: string;
}

/** A record, or one that the file's own format breaks. */
export type RawItem = RawRecord | Dropped;

export function isBroken(item: RawItem): item is Dropped {
  return "reason" in item;
}

/** Longest record, in bytes: what is larger is no record but a file of another kind, or a bomb. */
export const MAX_RECORD_BYTES = 64 * 2 ** 20;
