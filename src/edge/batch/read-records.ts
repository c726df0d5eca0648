// The records that a step works on: read from a byte of the input on, a bounded piece of it.

import { type InputLine, parseLine } from "./input-line.ts";
import { createLineSplitter } from "./line-splitter.ts";
import type { FileBucket } from "./platform.ts";

const WINDOW_BYTES = 128 * 2 ** 10;

/** The input is not there, or not whole: trying again is of no use. */
export class LostInput extends Error {}

export interface InputRecord {
  line: InputLine;
  /** The byte after its line. */
  to: number;
  /** Of its line. */
  bytes: number;
}

/** The records of whole lines from `from` on, at least one unless there is none before `to`, at most `limit`. */
export async function readRecords(
  bucket: FileBucket,
  key: string,
  range: { from: number; to: number; maxLineBytes: number; limit: number },
): Promise<InputRecord[]> {
  const { to, maxLineBytes, limit } = range;
  let window = WINDOW_BYTES;
  for (let from = range.from; from < to; ) {
    const length = Math.min(window, to - from);
    const object = await bucket.get(key, { range: { offset: from, length } });
    if (object === null) throw new LostInput("the batch's input is not in the bucket");
    const records: InputRecord[] = [];
    const start = from;
    let end = from;
    const splitter = createLineSplitter(maxLineBytes, ({ to: after, bytes }) => {
      end = Math.min(to, start + after);
      const parsed = bytes === undefined || records.length >= limit ? undefined : parseLine(bytes);
      if (parsed !== undefined && "line" in parsed) {
        records.push({ line: parsed.line, to: end, bytes: bytes?.length ?? 0 });
      }
    });
    splitter.write(new Uint8Array(await object.arrayBuffer()));
    if (start + length === to) splitter.end();
    if (records.length > 0 || start + length === to) return records;
    // blank lines are left behind; a line that is longer than the window is read whole
    if (end === start && window > maxLineBytes) return [];
    if (end === start) window = maxLineBytes + 2;
    from = end;
  }
  return [];
}
