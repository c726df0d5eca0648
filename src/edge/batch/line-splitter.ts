// Lines of a stream of bytes, with bounded memory: a line beyond the limit is told as too long, and skipped.

export interface Line {
  /** From 1. */
  number: number;
  /** Where it starts, and where the next one does. */
  from: number;
  to: number;
  /** Without its end; undefined: longer than the limit. */
  bytes: Uint8Array | undefined;
}

export interface LineSplitter {
  write(chunk: Uint8Array): void;
  /** The last line needs no newline. */
  end(): void;
}

const NEWLINE = 10;

/** Calls `onLine` for each line; `bytes` are only good until it returns. */
export function createLineSplitter(maxLineBytes: number, onLine: (line: Line) => void): LineSplitter {
  let number = 0;
  let from = 0;
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  let isTooLong = false;
  const hold = (part: Uint8Array): void => {
    heldBytes += part.length;
    if (heldBytes > maxLineBytes) isTooLong = true;
    // the chunk belongs to the caller, who may use it again
    if (isTooLong) held = [];
    else if (part.length > 0) held.push(part.slice());
  };
  const tell = (part: Uint8Array, lineBytes: number): void => {
    number += 1;
    const bytes = isTooLong || lineBytes > maxLineBytes ? undefined : joined([...held, part]);
    const to = from + lineBytes + 1;
    onLine({ number, from, to, bytes });
    from = to;
    held = [];
    heldBytes = 0;
    isTooLong = false;
  };
  return {
    write(chunk) {
      let start = 0;
      for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
        tell(chunk.subarray(start, end), heldBytes + end - start);
        start = end + 1;
      }
      hold(chunk.subarray(start));
    },
    end() {
      if (heldBytes > 0) tell(new Uint8Array(), heldBytes);
    },
  };
}

/** Parts as one array; the part itself where there is one. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const filled = parts.filter(({ length }) => length > 0);
  const [first] = filled;
  if (first !== undefined && filled.length === 1) return first;
  const whole = new Uint8Array(filled.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of filled) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
