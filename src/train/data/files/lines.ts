// Lines of a stream of bytes, one at a time; a line that is too long to be a record ends the reading.

import { InputError } from "../../../shared/errors.ts";
import { MAX_RECORD_BYTES } from "./raw-record.ts";

const NEWLINE = 10;

/** Lines without their ends, in order; the first is line 1. Throws InputError for a line longer than a record may be. */
export async function* linesOf(chunks: AsyncIterable<Buffer>, path: string): AsyncGenerator<string> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  let number = 1;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      const line = chunk.subarray(start, end);
      yield (rest.length === 0 ? line : Buffer.concat([...rest, line])).toString("utf8");
      rest = [];
      restBytes = 0;
      start = end + 1;
      number++;
    }
    if (start === chunk.length) continue;
    // a copy: the rest of a chunk must not keep the whole of it
    rest.push(Buffer.from(chunk.subarray(start)));
    restBytes += chunk.length - start;
    if (restBytes > MAX_RECORD_BYTES) throw tooLong(path, `line ${number}`);
  }
  if (restBytes > 0) yield Buffer.concat(rest).toString("utf8");
}

/** The error for what is too large to be a record. */
export function tooLong(path: string, place: string): InputError {
  return new InputError({
    code: "record_too_large",
    what: `a record is larger than ${MAX_RECORD_BYTES / 2 ** 20} MiB`,
    where: `${path}, ${place}`,
    fix: "Is this a data file? Cut the record, or write one JSON object a line.",
  });
}
