// A journal of JSON lines: the first says what the run was, each later one is a finished piece of it. Who reads it leaves out a last line
// without its end, which a kill has cut.

import type { z } from "zod";

/** Head and entries of the whole lines in `text`; no head where the first line is another. A damaged line costs only its own entry. */
export function parseJournal<Head, Entry>(
  text: string,
  head: z.ZodType<Head>,
  entry: z.ZodType<Entry>,
): { head: Head | undefined; entries: Entry[] } {
  const [first = "", ...rest] = text.trimEnd().split("\n");
  return {
    head: head.safeParse(parseJson(first)).data,
    entries: rest.flatMap((line) => {
      const parsed = entry.safeParse(parseJson(line));
      return parsed.success ? [parsed.data] : [];
    }),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
