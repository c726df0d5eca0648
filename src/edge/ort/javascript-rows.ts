// Rows of tensors whose elements lie in JavaScript's memory, for runtimes of which the library itself runs the graphs.

import type { Runtime, Value } from "../engine/runtime.ts";
import { copyRow, copyRows, type RowSource } from "./copy-rows.ts";

/** `floats` are a tensor's own elements, `tensor` makes one on given elements. */
export function javascriptRows(
  floats: (value: Value) => Float32Array,
  tensor: (data: Float32Array, dims: readonly number[]) => Value,
): Pick<Runtime, "joinRows" | "firstRows" | "copyRow"> {
  const sourceOf = ({ value, row }: { value: Value; row: number }): RowSource => ({
    floats: floats(value),
    length: value.dims[2] ?? 0,
    row,
  });
  return {
    joinRows(parts, shape) {
      const dims = [parts.length, shape.heads, shape.length, shape.width];
      const out = new Float32Array(dims.reduce((product, dim) => product * dim, 1));
      copyRows(
        out,
        parts.map((part) => part && sourceOf(part)),
        shape,
      );
      return tensor(out, dims);
    },
    firstRows(value, rows) {
      const dims = [rows, ...value.dims.slice(1)];
      const count = dims.reduce((product, dim) => product * dim, 1);
      return tensor(floats(value).subarray(0, count), dims);
    },
    copyRow(from, to) {
      const [heads = 0, length = 0, width = 0] = to.value.dims.slice(1);
      const size = heads * length * width;
      const row = floats(to.value).subarray(to.row * size, (to.row + 1) * size);
      copyRow(row, sourceOf(from), { heads, length, width });
    },
  };
}
