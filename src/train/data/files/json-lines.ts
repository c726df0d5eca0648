// JSON Lines: one record a line; a line that is not JSON is left out with its place.

import { jsonErrorPosition } from "../../io/json-error.ts";
import { parseLenientJson } from "./lenient-json.ts";
import { linesOf } from "./lines.ts";
import type { RawItem } from "./raw-record.ts";

/** Records of a stream of text; `path` is for their places. */
export async function* readJsonLines(chunks: AsyncIterable<Buffer>, path: string): AsyncGenerator<RawItem> {
  let number = 0;
  for await (const line of linesOf(chunks, path)) {
    const where = `${path}:${++number}`;
    const text = line.replace(/^\uFEFF/, "").trim();
    if (text === "") continue;
    let item: RawItem;
    try {
      item = { value: parseLenientJson(text), where };
    } catch {
      item = { where, reason: "broken_json", what: `the line is not JSON (column ${jsonErrorPosition(text).column})` };
    }
    yield item;
  }
}
