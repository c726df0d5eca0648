// An input file, checked as it streams by: what each line asks, where records start, what is wrong. Memory does not grow with the file.

import { createIdFilter, hashName } from "./id-filter.ts";
import { estimateTokens, type InputLine, type LineFault, parseLine } from "./input-line.ts";
import type { Cut, InputSummary, LineError } from "./ledger-api.ts";
import { createLineSplitter } from "./line-splitter.ts";

const MAX_ERRORS = 100;
const MAX_SUSPECTS = 20_000;
const MAX_CUTS = 2_048;
/** Bytes between two cuts; doubled when there are too many. */
const CUT_BYTES = 16 * 2 ** 10;

export interface InputCheck {
  write(chunk: Uint8Array): void;
  end(): InputSummary;
}

/** Checks lines of up to `maxLineBytes`. */
export function createInputCheck(maxLineBytes: number): InputCheck {
  const errors: LineError[] = [];
  const urls: Record<string, number> = {};
  const suspects = new Set<string>();
  const ids = createIdFilter();
  const cuts = createCuts();
  let errorCount = 0;
  let records = 0;
  let tokens = 0;
  const fail = (line: number, fault: LineFault): void => {
    errorCount += 1;
    if (errors.length < MAX_ERRORS) errors.push({ ...fault, line });
  };
  const take = ({ customId, url }: InputLine, line: number): void => {
    urls[url] ??= line;
    if (customId !== undefined && ids.add(customId) && suspects.size < MAX_SUSPECTS) suspects.add(hashName(customId));
  };
  const splitter = createLineSplitter(maxLineBytes, ({ number, from, bytes }) => {
    const parsed = bytes === undefined ? { fault: tooLong(maxLineBytes) } : parseLine(bytes);
    if (parsed === undefined) return;
    cuts.add([from, records, tokens]);
    records += 1;
    if ("fault" in parsed) return fail(number, parsed.fault);
    take(parsed.line, number);
    tokens += estimateTokens(parsed.line, bytes?.length ?? 0);
  });
  return {
    write: splitter.write,
    end() {
      splitter.end();
      return { records, urls, errors, errorCount, cuts: cuts.list(), suspects: [...suspects] };
    },
  };
}

/** Where records start, about every so many bytes; a large file has cuts further apart. */
function createCuts() {
  let cuts: Cut[] = [];
  let apart = CUT_BYTES;
  return {
    add(cut: Cut) {
      const last = cuts.at(-1);
      if (last !== undefined && cut[0] - last[0] < apart) return;
      cuts.push(cut);
      if (cuts.length <= MAX_CUTS) return;
      apart *= 2;
      cuts = cuts.filter((_, index) => index % 2 === 0);
    },
    list: () => cuts,
  };
}

function tooLong(limit: number): LineFault {
  return { code: "line_too_long", message: `This line has more than ${limit} bytes.`, param: null };
}
