// Values to the bytes of a tensor: transposed, or rounded to int8 with one scale a row.

/** The bytes of an array, without a copy. ONNX and safetensors are little-endian, as every platform of Node's is. */
export function bytesOf(values: Float32Array<ArrayBuffer> | Int8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

const TILE = 32;

/** Writes `values [rows, columns]` to `out` as `[columns, rows]`, in tiles that stay in cache. */
function transposeInto(
  values: Float32Array | Int8Array,
  rows: number,
  columns: number,
  out: Float32Array | Int8Array,
): void {
  for (let rowStart = 0; rowStart < rows; rowStart += TILE) {
    const rowEnd = Math.min(rowStart + TILE, rows);
    for (let columnStart = 0; columnStart < columns; columnStart += TILE) {
      const columnEnd = Math.min(columnStart + TILE, columns);
      for (let r = rowStart; r < rowEnd; r++) {
        for (let c = columnStart; c < columnEnd; c++) out[c * rows + r] = values[r * columns + c] ?? 0;
      }
    }
  }
}

/** `[rows, columns]` to `[columns, rows]`. */
export function transposeFloats(values: Float32Array, rows: number, columns: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(values.length);
  transposeInto(values, rows, columns, out);
  return out;
}

/** `[rows, columns]` to `[columns, rows]`. */
export function transposeInt8(values: Int8Array, rows: number, columns: number): Int8Array<ArrayBuffer> {
  const out = new Int8Array(values.length);
  transposeInto(values, rows, columns, out);
  return out;
}

/** Scale of each row: its largest magnitude becomes 127. A row of zeros has scale 1. */
export function rowScales(values: Float32Array, rows: number, columns: number): Float32Array<ArrayBuffer> {
  const scales = new Float32Array(rows);
  for (let r = 0; r < rows; r++) {
    let largest = 0;
    for (let i = r * columns; i < (r + 1) * columns; i++) largest = Math.max(largest, Math.abs(values[i] ?? 0));
    scales[r] = largest / 127 || 1;
  }
  return scales;
}

/** `[rows, columns]` rounded to the multiples -127..127 of each row's scale. */
export function quantizeRows(values: Float32Array, rows: number, columns: number): Int8Array<ArrayBuffer> {
  const scales = rowScales(values, rows, columns);
  const out = new Int8Array(rows * columns);
  for (let r = 0; r < rows; r++) {
    const scale = scales[r] ?? 1;
    for (let i = r * columns; i < (r + 1) * columns; i++) out[i] = Math.round((values[i] ?? 0) / scale);
  }
  return out;
}
