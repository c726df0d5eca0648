// Rows without padding, by hand, and the gradients of their layouts.

import { beforeAll, describe, expect, test } from "vitest";
import {
  fromHeads,
  headIndex,
  padded,
  placesOf,
  repeated,
  rowsOfLengths,
  someRows,
  toHeads,
} from "../../../src/train/model/packed-rows.ts";
import {
  startTensorflow,
  type Tensor,
  type Tensor2D,
  type Tensor4D,
  tf,
} from "../../../src/train/tensorflow/tensorflow.ts";

beforeAll(async () => {
  await startTensorflow();
});

const values = (x: Tensor): unknown => x.arraySync();

test("tokens are numbered row by row, and their places skip the padding", () => {
  const rows = rowsOfLengths([2, 1, 3]);
  expect(rows).toEqual([[0, 1], [2], [3, 4, 5]]);
  expect([...placesOf(rows, 3)]).toEqual([0, 1, 3, 6, 7, 8]);
});

test("padded rows hold the tokens at their places, whatever stands at padding", () => {
  const x = tf.tensor2d([[1], [2], [3]]);
  const [a, b, c] = padded(x, rowsOfLengths([2, 1]), 2).dataSync();
  expect([a, b, c]).toEqual([1, 2, 3]);
});

test("some rows, at the beginning, between others and at the end, and where their gradients go", () => {
  const x = tf.tensor2d([
    [1, 2],
    [3, 4],
    [5, 6],
  ]);
  const weights = tf.tensor2d([[10, 20]]);
  const gradient = tf.grad((x) => tf.sum(tf.mul(someRows(x as Tensor2D, 1, 1), weights)));
  expect(values(someRows(x, 1, 1))).toEqual([[3, 4]]);
  expect(values(gradient(x))).toEqual([
    [0, 0],
    [10, 20],
    [0, 0],
  ]);
  for (const [start, count] of [
    [0, 2],
    [2, 1],
    [0, 3],
  ] as const) {
    const one = tf.grad((x) => tf.sum(someRows(x as Tensor2D, start, count)));
    const inside = (row: number): number => (row >= start && row < start + count ? 1 : 0);
    expect(values(one(x))).toEqual([0, 1, 2].map((row) => [inside(row), inside(row)]));
  }
});

test("a bias repeated for each row of a batch, whose gradient is the sum over them", () => {
  const x = tf.tensor4d([1, 2, 3, 4], [1, 1, 2, 2]);
  const weights = tf.tensor4d([1, 2, 3, 4, 10, 20, 30, 40, 100, 200, 300, 400], [3, 1, 2, 2]);
  expect(values(repeated(x, 2))).toEqual(
    [
      [
        [
          [1, 2],
          [3, 4],
        ],
      ],
      [
        [
          [1, 2],
          [3, 4],
        ],
      ],
    ].map(([head]) => [head]),
  );
  const gradient = tf.grad((x) => tf.sum(tf.mul(repeated(x as Tensor4D, 3), weights)));
  expect(values(gradient(x))).toEqual([
    [
      [
        [111, 222],
        [333, 444],
      ],
    ],
  ]);
});

describe("tokens of two heads of width 1", () => {
  // token n has head values n1 and n2
  const x = (): Tensor2D =>
    tf.tensor2d([
      [1, 10],
      [2, 20],
      [3, 30],
    ]);

  test("become [B, H, T, K] by row, in any order of tokens, and come back", () => {
    const index = headIndex([[2, 0], [1]], 2, 2);
    const heads = toHeads(x(), index);
    expect(heads.shape).toEqual([2, 2, 2, 1]);
    const [first, second] = heads.arraySync();
    expect(first).toEqual([
      [[3], [1]],
      [[30], [10]],
    ]);
    expect(second?.map((head) => head[0])).toEqual([[2], [20]]);
    expect(values(fromHeads(heads, index))).toEqual(values(x()));
  });

  test("a row without tokens is all padding", () => {
    const index = headIndex([[], [0, 1, 2]], 3, 2);
    expect(values(index[2])).toEqual([[[[0], [0], [0]]], [[[1], [1], [1]]]]);
    expect(values(fromHeads(toHeads(x(), index), index))).toEqual(values(x()));
  });
});

describe("gradients", () => {
  const rows = [[0, 2], [1]];

  test("of toHeads are those of the real places", () => {
    const weights = tf.tensor4d([1, 2, 3, 4, 5, 0, 7, 0], [2, 2, 2, 1]); // padding weighs nothing
    const gradient = tf.grad((x) => tf.sum(tf.mul(toHeads(x as Tensor2D, headIndex(rows, 2, 2)), weights)));
    expect(values(gradient(tf.ones([3, 2])))).toEqual([
      [1, 3],
      [5, 7],
      [2, 4],
    ]);
  });

  test("of fromHeads are zero at padding", () => {
    const weights = tf.tensor2d([1, 2, 3, 4, 5, 6], [3, 2]);
    const gradient = tf.grad((x) => tf.sum(tf.mul(fromHeads(x as Tensor4D, headIndex(rows, 2, 2)), weights)));
    expect([...gradient(tf.ones([2, 2, 2, 1])).dataSync()]).toEqual([1, 5, 2, 6, 3, 0, 4, 0]);
  });

  test("of padded are those of the real places", () => {
    const weights = tf.tensor2d([1, 2, 3, 100], [4, 1]);
    const gradient = tf.grad((x) => tf.sum(tf.mul(padded(x as Tensor2D, rowsOfLengths([2, 1]), 2), weights)));
    expect([...gradient(tf.ones([3, 1])).dataSync()]).toEqual([1, 2, 3]);
  });
});
