// Where JSON is broken. JSON.parse does not always say (V8 gives an excerpt instead of a position for many errors),
// so the place is found by a scan of the tokens, run only after JSON.parse has failed.

const SPACE = /[ \t\r\n]*/y;
const TOKEN =
  /[{}[\],:]|"(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[\dA-Fa-f]{4}))*"|(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)/y;

/** Offset of the first token that cannot stand where it does; the text's length when the end comes too early, -1 when all is well. */
export function jsonErrorOffset(text: string): number {
  const open: string[] = [];
  let state: "value" | "value or ]" | "key or }" | "key" | "colon" | "after value" = "value";
  for (let offset = 0; ; ) {
    SPACE.lastIndex = offset;
    SPACE.exec(text);
    offset = SPACE.lastIndex;
    const isDone = state === "after value" && open.length === 0;
    if (offset === text.length) return isDone ? -1 : offset;
    TOKEN.lastIndex = offset;
    const token = TOKEN.exec(text)?.[0];
    if (token === undefined || isDone) return offset;
    const inObject = open.at(-1) === "{";
    const closes = (token === "}" && inObject) || (token === "]" && open.at(-1) === "[");
    if (closes && (state === "after value" || state === (inObject ? "key or }" : "value or ]"))) {
      open.pop();
      state = "after value";
    } else if (state === "value" || state === "value or ]") {
      if (token === "{" || token === "[") {
        open.push(token);
        state = token === "{" ? "key or }" : "value or ]";
      } else if (/^[\]},:]/.test(token)) return offset;
      else state = "after value";
    } else if (state === "key" || state === "key or }") {
      if (!token.startsWith('"')) return offset;
      state = "colon";
    } else if (state === "colon") {
      if (token !== ":") return offset;
      state = "value";
    } else {
      if (token !== ",") return offset;
      state = inObject ? "key" : "value";
    }
    offset += token.length;
  }
}

/** Where `text` is broken, both from 1. */
export function jsonErrorPosition(text: string): { line: number; column: number } {
  const offset = Math.max(0, jsonErrorOffset(text));
  const before = text.slice(0, offset);
  return { line: before.split("\n").length, column: offset - before.lastIndexOf("\n") };
}
