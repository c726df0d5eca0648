// Rows of tokens of unequal length without their padding: what works on single tokens (projections, norms, feed-forward, embedding, head)
// sees only the real tokens, [N, *]; only attention lays them out as padded rows. The layout and the change to heads are one gather.

import { withGradient } from "../tensorflow/tape/custom-gradient.ts";
import {
  type Tensor,
  type Tensor1D,
  type Tensor2D,
  type Tensor3D,
  type Tensor4D,
  tf,
} from "../tensorflow/tensorflow.ts";

/** Which of N tokens, by number, stand in each row; every token stands in one place of one row. */
export type RowsOfTokens = readonly (readonly number[])[];

/** Rows of the given lengths, their tokens numbered row by row. */
export function rowsOfLengths(lengths: readonly number[]): number[][] {
  let next = 0;
  return lengths.map((length) => Array.from({ length }, () => next++));
}

/** Places of the tokens in padded rows, flat [B * T], in the order of their numbers. */
export function placesOf(rows: RowsOfTokens, length: number): Int32Array {
  const places = new Int32Array(rows.reduce((sum, row) => sum + row.length, 0));
  rows.forEach((row, b) => {
    row.forEach((token, t) => {
      places[token] = b * length + t;
    });
  });
  return places;
}

/** Tokens by place, flat [B * T]; padding repeats token 0. */
function tokensAt(rows: RowsOfTokens, length: number): Int32Array {
  const tokens = new Int32Array(rows.length * length);
  rows.forEach((row, b) => {
    tokens.set(row, b * length);
  });
  return tokens;
}

/** Real tokens [N, D] as padded rows [B*T, D]. What stands at padding has no meaning, and no gradient comes from there. */
export function padded(x: Tensor2D, rows: RowsOfTokens, length: number): Tensor2D {
  if (x.shape[0] === rows.length * length) return x;
  return withGradient<[Tensor2D], [Tensor1D], Tensor2D>(
    (x) => ({
      value: tf.gather(x, tf.tensor1d(tokensAt(rows, length), "int32")),
      saved: [tf.tensor1d(placesOf(rows, length), "int32")],
      gradient: (dy, [places]) => [() => tf.gather(dy, places)],
    }),
    x,
  );
}

/** Rows `start` to `start + count` of x [N, D]. The gradient is what arrives, between rows of zeros. */
export function someRows(x: Tensor2D, start: number, count: number): Tensor2D {
  const [rows, width] = x.shape;
  return withGradient<[Tensor2D], [], Tensor2D>(
    (x) => ({
      value: tf.gather(x, tf.range(start, start + count, 1, "int32")),
      saved: [],
      gradient: (dy) => [
        () => tf.concat([tf.zeros([start, width]), dy, tf.zeros([rows - start - count, width])]) as Tensor2D,
      ],
    }),
    x,
  );
}

/** x [1, H, T, S] as each of [batch, H, T, S]. The gradient is one sum; that of tf.tile takes as many slices and sums as there are rows. */
export function repeated(x: Tensor4D, batch: number): Tensor4D {
  return withGradient<[Tensor4D], [], Tensor4D>(
    (x) => ({
      value: tf.tile(x, [batch, 1, 1, 1]),
      saved: [],
      gradient: (dy) => [() => tf.sum(dy, 0, true)],
    }),
    x,
  );
}

/** Index tensors between tokens [N, H*K] and heads [B, H, T, K]: [B, H, T], [N, H], and 1 at real tokens [B, 1, T, 1]. */
export type HeadIndex = [toHeads: Tensor3D, fromHeads: Tensor2D, real: Tensor4D];

/** The caller disposes (or runs inside tf.tidy). */
export function headIndex(rows: RowsOfTokens, length: number, heads: number): HeadIndex {
  const batch = rows.length;
  const count = rows.reduce((sum, row) => sum + row.length, 0);
  const toHeads = new Int32Array(batch * heads * length);
  const fromHeads = new Int32Array(count * heads);
  const real = new Float32Array(batch * length);
  rows.forEach((row, b) => {
    real.fill(1, b * length, b * length + row.length);
    for (let h = 0; h < heads; h++) {
      const start = (b * heads + h) * length;
      toHeads.fill(h, start + row.length, start + length);
      row.forEach((token, t) => {
        toHeads[start + t] = token * heads + h;
        fromHeads[token * heads + h] = start + t;
      });
    }
  });
  return [
    tf.tensor3d(toHeads, [batch, heads, length], "int32"),
    tf.tensor2d(fromHeads, [count, heads], "int32"),
    tf.tensor4d(real, [batch, 1, length, 1]),
  ];
}

/** [*, K] rows of x [*] at `index` [...] -> [..., K] */
function rowsAt(x: Tensor, index: Tensor, width: number): Tensor {
  return tf.gather(tf.reshape(x, [-1, width]), index);
}

/** Tokens [N, H*K] -> [B, H, T, K]. Padding must not count: masked as a key, left out as a query. */
export function toHeads(x: Tensor2D, index: HeadIndex): Tensor4D {
  const width = x.shape[1] / index[0].shape[1];
  return withGradient<[Tensor2D], [Tensor2D], Tensor4D>(
    (x) => ({
      value: rowsAt(x, index[0], width) as Tensor4D,
      saved: [index[1]],
      gradient: (dy, [fromHeads]) => [() => tf.reshape(rowsAt(dy, fromHeads, width), x.shape)],
    }),
    x,
  );
}

/** [B, H, T, K] -> tokens [N, H*K]; padding is left out. */
export function fromHeads(x: Tensor4D, index: HeadIndex): Tensor2D {
  const [, heads, , width] = x.shape;
  const [count] = index[1].shape;
  return withGradient<[Tensor4D], [Tensor3D, Tensor4D], Tensor2D>(
    (x) => ({
      value: tf.reshape(rowsAt(x, index[1], width), [count, heads * width]),
      saved: [index[0], index[2]],
      gradient: (dy, [toHeads, real]) => [
        () => {
          const dx = rowsAt(dy, toHeads, width);
          return toHeads.size === count * heads ? dx : tf.mul(dx, real);
        },
      ],
    }),
    x,
  );
}
