// Keys and values of rows of different requests, in tensors `[rows, H, length, K]` with room for rows and positions to come: a step writes
// its position in place, a row that comes is copied to the end, and one that goes is overwritten by the last. Only where there is no room,
// or far too much, are the tensors made anew, one after another.

import type { RowPart, Runtime, Value } from "./runtime.ts";

export interface RowTensors {
  /** Makes room for so many rows of so many positions; the first `kept` rows stay. */
  reserve(room: { rows: number; length: number }, kept: number): void;
  /** Puts a row of another tensor in a place. */
  write(name: string, part: RowPart, place: number): void;
  /** The row in the first place is from now on in the second, too. */
  move(from: number, to: number): void;
  /** The first rows of every tensor, by name. */
  views(rows: number): Readonly<Record<string, Value>>;
  /** Positions that a row has room for. */
  readonly length: number;
  free(): void;
}

/** Positions of a source are a multiple of this, whoever is beside it, so that sums are made of the same parts. */
export const SOURCE_BLOCK = 16;
/** Room for what is written grows by so many positions. */
export const OWN_BLOCK = 8;
/** And beyond a few, by so many rows, unless a row has so many bytes that memory is better spent on one more. */
const ROW_BLOCK = 4;
const LARGE_ROW_BYTES = 2 ** 19;

/** Without room; `shape` is of all tensors, whose lengths are multiples of its `block`. */
export function createRowTensors(
  runtime: Runtime,
  names: readonly string[],
  { block, ...shape }: { heads: number; width: number; block: number },
): RowTensors {
  const tensors = new Map<string, Value>();
  const positionBytes = names.length * shape.heads * shape.width * Float32Array.BYTES_PER_ELEMENT;
  let room = { rows: 0, length: 0 };
  let shown: { rows: number; views: Record<string, Value> } | undefined;
  const hide = (): void => {
    runtime.free(Object.values(shown?.views ?? {}));
    shown = undefined;
  };
  const replace = (name: string, value: Value): void => {
    const before = tensors.get(name);
    tensors.set(name, value);
    if (before !== undefined) runtime.free([before]);
  };
  return {
    reserve({ rows, length }, kept) {
      if (fits(rows, room.rows, ROW_BLOCK) && fits(length, room.length, block)) return;
      const wanted = roomFor({ rows, length }, { block, positionBytes });
      hide();
      for (const name of names) {
        const value = tensors.get(name);
        const parts = Array.from({ length: wanted.rows }, (_, row) =>
          value === undefined || row >= kept ? undefined : { value, row },
        );
        replace(name, runtime.joinRows(parts, { ...shape, length: wanted.length }));
      }
      room = wanted;
    },
    write(name, part, place) {
      const value = tensors.get(name);
      if (value !== undefined) runtime.copyRow(part, { value, row: place });
    },
    move(from, to) {
      for (const value of tensors.values()) runtime.copyRow({ value, row: from }, { value, row: to });
    },
    views(rows) {
      if (shown?.rows === rows) return shown.views;
      hide();
      const views = Object.fromEntries([...tensors].map(([name, value]) => [name, runtime.firstRows(value, rows)]));
      shown = { rows, views };
      return views;
    },
    get length() {
      return room.length;
    },
    free() {
      hide();
      runtime.free(tensors.values());
      tensors.clear();
      room = { rows: 0, length: 0 };
    },
  };
}

/** What is made for so many rows of so many positions, of `positionBytes` each. */
export function roomFor(
  wanted: { rows: number; length: number },
  { block, positionBytes }: { block: number; positionBytes: number },
): { rows: number; length: number } {
  const length = Math.ceil(wanted.length / block) * block;
  const exact = wanted.rows < ROW_BLOCK || length * positionBytes > LARGE_ROW_BYTES;
  return { rows: exact ? wanted.rows : Math.ceil(wanted.rows / ROW_BLOCK) * ROW_BLOCK, length };
}

/** Whether there is room, and not so much that most of it would be held in vain. */
function fits(wanted: number, room: number, block: number): boolean {
  return wanted <= room && room <= Math.max(block, 2 * wanted);
}
