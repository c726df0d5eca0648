// Rows of several tensors `[B, H, length, K]` put together in one of another length, as requests come to a batch and leave it.

/** Of the tensor that is made, but for its number of rows. */
export interface RowShape {
  heads: number;
  length: number;
  width: number;
}

/** A row of a tensor whose rows have `length` positions. */
export interface RowSource {
  floats: Float32Array;
  length: number;
  row: number;
}

/** Fills `out [sources.length, heads, length, width]`: each row cut to its length, or followed by zeros; an absent one is zeros. */
export function copyRows(out: Float32Array, sources: readonly (RowSource | undefined)[], shape: RowShape): void {
  const size = shape.heads * shape.length * shape.width;
  for (const [place, source] of sources.entries()) {
    const row = out.subarray(place * size, (place + 1) * size);
    if (source === undefined) row.fill(0);
    else copyRow(row, source, shape);
  }
}

/** Fills one row `out [heads, length, width]`. */
export function copyRow(out: Float32Array, source: RowSource, { heads, length, width }: RowShape): void {
  const kept = Math.min(length, source.length) * width;
  for (let head = 0; head < heads; head++) {
    const from = (source.row * heads + head) * source.length * width;
    const to = head * length * width;
    out.set(source.floats.subarray(from, from + kept), to);
    out.fill(0, to + kept, to + length * width);
  }
}
