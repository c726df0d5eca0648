// One JSON document: a list of records, or an object that holds lists of them. The text is cut into values by its brackets and quotes, and
// only one record is parsed at a time, so that a list of any length never stands in memory.

import { InputError } from "../../../shared/errors.ts";
import { jsonErrorPosition } from "../../io/json-error.ts";
import { parseLenientJson } from "./lenient-json.ts";
import { tooLong } from "./lines.ts";
import { MAX_RECORD_BYTES } from "./raw-record.ts";

/** A value of the document: an element of its list, or of a list in one of its fields, or a field's value that is no list. */
export interface DocumentValue {
  /** Name of the field; undefined in a list. */
  field: string | undefined;
  /** Index in the list; undefined for a value that is none's element. */
  index: number | undefined;
  text: string;
  /** Place of its first byte, from 1. */
  line: number;
  column: number;
}

const [QUOTE, BACKSLASH, COMMA, COLON, NEWLINE] = [34, 92, 44, 58, 10];
const [OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE] = [91, 93, 123, 125];
const isSpace = (byte: number): boolean => byte === 32 || byte === 9 || byte === NEWLINE || byte === 13;

/** Values of the list, or of the object's field `wanted`, in the order of the text. Throws InputError where the document breaks. */
export async function* documentValues(
  chunks: AsyncIterable<Buffer>,
  path: string,
  wanted: string | undefined,
): AsyncGenerator<DocumentValue> {
  const cutter = new Cutter(path, wanted);
  for await (const chunk of chunks) yield* cutter.cut(chunk);
  cutter.end();
}

/** What a document is: a list, or an object with these fields, "list" where the value is one. Reads an object to its end; throws as above. */
export async function outlineOf(
  chunks: AsyncIterable<Buffer>,
  path: string,
): Promise<"empty" | "list" | ReadonlyMap<string, "list" | "value">> {
  const cutter = new Cutter(path, NO_FIELD);
  for await (const chunk of chunks) {
    cutter.cut(chunk).next(); // no value is wanted: it goes to the chunk's end
    if (cutter.outline === "list") return "list";
  }
  cutter.end();
  return cutter.outline;
}

/** A name that no field has. */
const NO_FIELD = "\u0000none";

/** The state between two chunks: what is open, and the bytes of the value that is being cut. */
class Cutter {
  outline: "empty" | "list" | Map<string, "list" | "value"> = "empty";
  private readonly path: string;
  private readonly wanted: string | undefined;
  /** Open brackets from the outermost on. */
  private open: number[] = [];
  private inString = false;
  private escaped = false;
  private line = 1;
  /** Bytes before this chunk, and before this line. */
  private offset = 0;
  private lineOffset = 0;
  private parts: Buffer[] = [];
  private bytes = 0;
  private isCutting = false;
  private startLine = 1;
  private startColumn = 1;
  private field: string | undefined;
  private index: number | undefined;
  private isDone = false;

  constructor(path: string, wanted: string | undefined) {
    this.path = path;
    this.wanted = wanted;
  }

  /** Depth at which the values stand: 1 in a list and in an object, 2 in a list of an object's field. */
  private get level(): number {
    return this.open[0] === OPEN_BRACE && this.open[1] === OPEN_BRACKET && this.field !== undefined ? 2 : 1;
  }

  *cut(chunk: Buffer): Generator<DocumentValue> {
    let start = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at] ?? 0;
      if (byte === NEWLINE) {
        this.line++;
        this.lineOffset = this.offset + at + 1;
      }
      if (this.inString) {
        if (this.escaped) this.escaped = false;
        else if (byte === BACKSLASH) this.escaped = true;
        else if (byte === QUOTE) this.inString = false;
        continue;
      }
      if (isSpace(byte)) continue;
      if (this.isDone) throw this.broken("the text goes on after its end");
      const isEnd = byte === COMMA || byte === CLOSE_BRACKET || byte === CLOSE_BRACE;
      if (this.isCutting && isEnd && this.open.length === this.level) {
        const value = this.finish(chunk.subarray(start, at));
        if (value !== undefined) yield value;
      } else if (!this.isCutting && !isEnd && byte !== COLON && this.open.length > 0) {
        // a list in a field is gone into; everything else begins a value, or a key
        const isList = byte === OPEN_BRACKET && this.open.length === 1 && this.field !== undefined;
        if (!isList) {
          this.isCutting = true;
          this.startLine = this.line;
          this.startColumn = this.offset + at - this.lineOffset + 1;
          start = at;
        } else this.setField("list");
      } else if (this.isCutting && byte === COLON && this.open.length === 1 && this.field === undefined) {
        this.nameField(chunk.subarray(start, at));
      }
      this.step(byte);
    }
    if (this.isCutting && start < chunk.length) this.keep(chunk.subarray(start));
    this.offset += chunk.length;
  }

  private setField(kind: "list" | "value"): void {
    if (this.outline instanceof Map && this.field !== undefined) this.outline.set(this.field, kind);
  }

  /** What a byte outside strings opens and closes. */
  private step(byte: number): void {
    if (byte === QUOTE) this.inString = true;
    else if (byte === OPEN_BRACKET || byte === OPEN_BRACE) {
      this.open.push(byte);
      if (this.open.length === 2 && byte === OPEN_BRACKET && !this.isCutting) this.index = 0;
      if (this.open.length === 1) {
        if (byte === OPEN_BRACKET) this.index = 0;
        this.outline = byte === OPEN_BRACKET ? "list" : new Map();
      }
    } else if (byte === CLOSE_BRACKET || byte === CLOSE_BRACE) {
      const opened = this.open.pop();
      if (opened !== (byte === CLOSE_BRACKET ? OPEN_BRACKET : OPEN_BRACE)) throw this.broken("brackets do not match");
      if (this.open.length === 0) this.isDone = true;
      else if (this.open.length === 1 && this.open[0] === OPEN_BRACE && !this.isCutting) this.index = undefined;
    } else if (byte === COMMA && this.open.length === 1 && this.open[0] === OPEN_BRACE) {
      this.field = undefined;
    } else if (this.open.length === 0) throw this.broken("neither a list nor an object");
  }

  private keep(part: Buffer): void {
    this.bytes += part.length;
    if (this.bytes > MAX_RECORD_BYTES && !this.isSkipped()) throw tooLong(this.path, `line ${this.startLine}`);
    if (!this.isSkipped()) this.parts.push(Buffer.from(part));
  }

  private isSkipped(): boolean {
    return this.field !== this.wanted && !(this.open[0] === OPEN_BRACE && this.field === undefined);
  }

  private take(last: Buffer): string {
    const text = Buffer.concat([...this.parts, last]).toString("utf8");
    this.parts = [];
    this.bytes = 0;
    this.isCutting = false;
    return text;
  }

  private nameField(last: Buffer): void {
    const text = this.take(last).trim();
    const name: unknown = parsed(text, () => this.broken("a field has no name"));
    if (typeof name !== "string") throw this.broken("a field has no name");
    this.field = name;
  }

  private finish(last: Buffer): DocumentValue | undefined {
    const skipped = this.isSkipped();
    const text = this.take(skipped ? Buffer.alloc(0) : last);
    const index = this.index;
    if (this.index !== undefined) this.index++;
    if (this.open[0] === OPEN_BRACE && this.field === undefined) throw this.broken("a field without a value");
    if (index === undefined) this.setField("value");
    return skipped ? undefined : { field: this.field, index, text, line: this.startLine, column: this.startColumn };
  }

  end(): void {
    if (!this.isDone && (this.open.length > 0 || this.inString)) throw this.broken("the text ends too early");
  }

  broken(why: string): InputError {
    return brokenDocument(this.path, `line ${this.line}`, why);
  }
}

function parsed(text: string, error: () => InputError): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw error();
  }
}

/** Parses a value of the document. Throws InputError with the place in the file. */
export function parseValue({ text, line, column }: DocumentValue, path: string): unknown {
  try {
    return parseLenientJson(text);
  } catch (cause) {
    const own = jsonErrorPosition(text);
    const place = `line ${own.line + line - 1}, column ${own.line === 1 ? own.column + column - 1 : own.column}`;
    throw brokenDocument(path, place, undefined, cause);
  }
}

function brokenDocument(path: string, place: string, why?: string, cause?: unknown): InputError {
  return new InputError({
    code: "broken_json",
    what: why === undefined ? "the file is not JSON" : `the file is not JSON: ${why}`,
    where: `${path}, ${place}`,
    fix: "Mend the file there, or write one JSON object a line and name it .jsonl.",
    cause,
  });
}
