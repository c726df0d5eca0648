// Rows of a batch: tensors whose first axis is gathered, repeated or kept as rows finish.

import * as ort from "onnxruntime-node";

/** int64 `[B, T]` of rows of equal length. */
export function idsTensor(rows: readonly (readonly number[])[]): ort.Tensor {
  return new ort.Tensor("int64", BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0]?.length ?? 0]);
}

/** The padded prompts `[B, S]` and their mask. */
export function paddedPrompts(
  prompts: readonly (readonly number[])[],
  padTokenId: number,
): { ids: ort.Tensor; mask: ort.Tensor } {
  const width = Math.max(...prompts.map((row) => row.length));
  const ids = new BigInt64Array(prompts.length * width).fill(BigInt(padTokenId));
  const mask = new BigInt64Array(prompts.length * width);
  prompts.forEach((row, r) => {
    row.forEach((id, i) => {
      ids[r * width + i] = BigInt(id);
    });
    mask.fill(1n, r * width, r * width + row.length);
  });
  const dims = [prompts.length, width];
  return { ids: new ort.Tensor("int64", ids, dims), mask: new ort.Tensor("int64", mask, dims) };
}

/** Row `rows[i]` of `tensor` as row i, for float32 and int64 tensors. */
export function gatherRows(tensor: ort.Tensor, rows: readonly number[]): ort.Tensor {
  const { data, dims } = tensor;
  const width = dims.slice(1).reduce((product, dim) => product * dim, 1);
  const shape = [rows.length, ...dims.slice(1)];
  if (data instanceof Float32Array) {
    const out = new Float32Array(rows.length * width);
    rows.forEach((row, i) => {
      out.set(data.subarray(row * width, (row + 1) * width), i * width);
    });
    return new ort.Tensor("float32", out, shape);
  }
  if (!(data instanceof BigInt64Array)) throw new TypeError(`rows of a ${tensor.type} tensor`);
  const out = new BigInt64Array(rows.length * width);
  rows.forEach((row, i) => {
    out.set(data.subarray(row * width, (row + 1) * width), i * width);
  });
  return new ort.Tensor("int64", out, shape);
}
