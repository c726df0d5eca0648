// Ids that occur twice in an input: those that the upload's filter suspects, looked at exactly in a second reading.

import { hashName } from "./id-filter.ts";
import { parseLine } from "./input-line.ts";
import type { InputSummary, LineError } from "./ledger-api.ts";
import { createLineSplitter } from "./line-splitter.ts";
import type { FileBucket } from "./platform.ts";
import { LostInput } from "./read-records.ts";

const MAX_ERRORS = 100;

/** One error a line whose id an earlier line has. */
export async function findDuplicates(
  bucket: FileBucket,
  key: string,
  { suspects }: InputSummary,
  maxLineBytes: number,
): Promise<LineError[]> {
  if (suspects.length === 0) return [];
  const suspected = new Set(suspects);
  const firstLines = new Map<string, number>();
  const errors: LineError[] = [];
  const splitter = createLineSplitter(maxLineBytes, ({ number, bytes }) => {
    const parsed = bytes === undefined ? undefined : parseLine(bytes);
    const id = parsed !== undefined && "line" in parsed ? parsed.line.customId : undefined;
    if (id === undefined || !suspected.has(hashName(id))) return;
    const first = firstLines.get(id);
    if (first === undefined) firstLines.set(id, number);
    else if (errors.length < MAX_ERRORS) {
      const message = `The custom_id of this line is that of line ${first}.`;
      errors.push({ code: "duplicate_custom_id", message, line: number, param: "custom_id" });
    }
  });
  const object = await bucket.get(key);
  if (object === null) throw new LostInput("the batch's input is not in the bucket");
  const reader = object.body.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) splitter.write(next.value);
  splitter.end();
  return errors;
}
