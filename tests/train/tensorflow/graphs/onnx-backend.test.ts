// onnxruntime as a backend: its kernels against sums in plain JavaScript, whole graphs by hand, what is kept and given back.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { beforeAll, describe, expect, test } from "vitest";
import { createGraph } from "../../../../src/train/tensorflow/graphs/graph.ts";
import { onnxModel } from "../../../../src/train/tensorflow/graphs/onnx-model.ts";
import { openOnnxSession } from "../../../../src/train/tensorflow/graphs/onnx-session.ts";
import { partOf, release, tensorOver, valuesOf } from "../../../../src/train/tensorflow/graphs/ort-tensor.ts";
import { graphRuntime, startTensorflow, type Tensor, tf } from "../../../../src/train/tensorflow/tensorflow.ts";

beforeAll(async () => {
  expect(await startTensorflow("onnxruntime")).toBe("onnxruntime");
});

/** Large enough to be computed by onnxruntime, and not the same in any two places. */
const ROWS = 60;
const COLUMNS = 50;
const values = Float32Array.from({ length: ROWS * COLUMNS }, (_, i) => Math.sin(i) + 1.5);
const matrix = () => tf.tensor2d(values, [ROWS, COLUMNS]);
const at = (r: number, c: number): number => values[r * COLUMNS + c] ?? Number.NaN;

function expectValues(actual: Tensor, shape: number[], value: (...index: number[]) => number): void {
  expect(actual.shape).toEqual(shape);
  const [, columns = 1] = shape;
  actual.dataSync().forEach((one, i) => {
    const expected = value(Math.floor(i / columns), i % columns);
    expect(Math.abs(one - expected)).toBeLessThan(1e-5 * Math.max(1, Math.abs(expected)));
  });
}

const sum = (count: number, term: (i: number) => number): number =>
  Array.from({ length: count }, (_, i) => term(i)).reduce((total, one) => total + one, 0);

describe("a kernel of TensorFlow.js gives what a loop gives:", () => {
  const unary: [string, (x: Tensor) => Tensor, (x: number) => number][] = [
    ["exp", tf.exp, Math.exp],
    ["log", tf.log, Math.log],
    ["neg", tf.neg, (x) => -x],
    ["sqrt", tf.sqrt, Math.sqrt],
    ["rsqrt", tf.rsqrt, (x) => 1 / Math.sqrt(x)],
    ["square", tf.square, (x) => x * x],
    ["sigmoid", tf.sigmoid, (x) => 1 / (1 + Math.exp(-x))],
    ["relu", (x) => tf.relu(tf.sub(x, 1)), (x) => Math.max(0, x - 1)],
  ];
  test.each(unary)("%s", (_, compute, expected) => {
    expectValues(compute(matrix()), [ROWS, COLUMNS], (r, c) => expected(at(r, c)));
  });

  test("sums, differences, products and quotients, a row and a column spread out", () => {
    const row = tf.slice(matrix(), [3, 0], [1, COLUMNS]);
    const column = tf.slice(matrix(), [0, 7], [ROWS, 1]);
    expectValues(tf.add(matrix(), row), [ROWS, COLUMNS], (r, c) => at(r, c) + at(3, c));
    expectValues(tf.sub(matrix(), column), [ROWS, COLUMNS], (r, c) => at(r, c) - at(r, 7));
    expectValues(tf.mul(column, matrix()), [ROWS, COLUMNS], (r, c) => at(r, 7) * at(r, c));
    expectValues(tf.div(matrix(), 4), [ROWS, COLUMNS], (r, c) => at(r, c) / 4);
    expectValues(tf.addN([matrix(), matrix(), matrix()]), [ROWS, COLUMNS], (r, c) => 3 * at(r, c));
  });

  test("sum, mean and maximum over either axis, kept or not, and over both", () => {
    expectValues(tf.sum(matrix(), 0), [COLUMNS], (c) => sum(ROWS, (r) => at(r, c)));
    expectValues(tf.mean(matrix(), -1, true), [ROWS, 1], (r) => sum(COLUMNS, (c) => at(r, c)) / COLUMNS);
    expectValues(tf.max(matrix(), 1), [ROWS], (r) => Math.max(...values.subarray(r * COLUMNS, (r + 1) * COLUMNS)));
    expectValues(tf.sum(matrix()), [], () => sum(values.length, (i) => values[i] ?? Number.NaN));
  });

  test("products of matrices, either one transposed", () => {
    const product = (r: number, c: number): number => sum(COLUMNS, (k) => at(r, k) * at(c, k));
    expectValues(tf.matMul(matrix(), matrix(), false, true), [ROWS, ROWS], product);
    expectValues(tf.matMul(matrix(), tf.transpose(matrix())), [ROWS, ROWS], product);
    expectValues(tf.matMul(matrix(), matrix(), true), [COLUMNS, COLUMNS], (r, c) =>
      sum(ROWS, (k) => at(k, r) * at(k, c)),
    );
  });

  test("softmax, transposed, tiled and gathered", () => {
    expectValues(
      tf.softmax(matrix()),
      [ROWS, COLUMNS],
      (r, c) => Math.exp(at(r, c)) / sum(COLUMNS, (k) => Math.exp(at(r, k))),
    );
    expectValues(tf.transpose(matrix()), [COLUMNS, ROWS], (c, r) => at(r, c));
    expectValues(tf.tile(matrix(), [2, 1]), [2 * ROWS, COLUMNS], (r, c) => at(r % ROWS, c));
    expectValues(tf.gather(matrix(), tf.tensor1d([5, 0, 5], "int32")), [3, COLUMNS], (r, c) => at(r === 1 ? 0 : 5, c));
  });
});

describe("what onnxruntime made", () => {
  const negative = () => tf.neg(matrix());

  test("is read under other shapes by onnxruntime and by JavaScript, in any order", () => {
    const made = negative();
    const turned = tf.reshape(made, [COLUMNS, ROWS]);
    expectValues(tf.neg(turned), [COLUMNS, ROWS], (r, c) => values[r * ROWS + c] ?? Number.NaN);
    expectValues(tf.slice(turned, [1, 0], [1, ROWS]), [1, ROWS], (_, c) => -(values[ROWS + c] ?? Number.NaN));
    made.dispose();
    expectValues(tf.sqrt(tf.neg(turned)), [COLUMNS, ROWS], (r, c) => Math.sqrt(values[r * ROWS + c] ?? Number.NaN));
  });

  test("stays with whoever read it after the tensor is disposed", () => {
    const made = negative();
    const read = made.dataSync();
    made.dispose();
    for (let i = 0; i < 10; i++) tf.exp(matrix()).dispose();
    expect(Array.from(read)).toEqual(Array.from(values, (x) => -x));
  });

  test("is given back when the tensor is disposed: 3.2 GB of results, 16 MB at a time", () => {
    const large = tf.ones([2048, 2048]);
    tf.neg(large).dispose();
    const before = process.memoryUsage.rss();
    for (let i = 0; i < 200; i++) tf.neg(large).dispose();
    expect(process.memoryUsage.rss() - before).toBeLessThan(400e6);
    large.dispose();
  });
});

test("an array of JavaScript is read and written where it stands, after a collection of garbage too", () => {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  const arrays = Array.from({ length: 100 }, (_, i) => Float32Array.of(i, 2 * i, 3 * i, 4 * i));
  const tensors = arrays.map((array) => tensorOver(array, [2, 2]));
  collect();
  arrays.forEach((array, i) => {
    array[3] = 5 * i;
  });
  tensors.forEach((tensor, i) => {
    expect(Array.from(valuesOf(tensor))).toEqual([i, 2 * i, 3 * i, 5 * i]);
    const part = partOf(tensor, 1, 2);
    expect(Array.from(valuesOf(part))).toEqual([2 * i, 3 * i]);
    for (const one of [part, tensor]) release(one);
  });
});

describe("a graph", () => {
  test("of (a b + 2), and that summed over rows, is computed, and opened once for each set of outputs", () => {
    const graph = createGraph();
    const [a, b] = [graph.input(), graph.input()];
    const more = graph.op("AddV2", [graph.op("MatMul", [a, b]), graph.scalar(2)]);
    const sums = graph.op("Sum", [more, graph.integers(0)], { Tidx: { type: "int32" } });
    const run = graphRuntime()?.open(graph);
    const feeds = [
      { input: a, tensor: tf.tensor2d([1, 2, 3, 4], [2, 2]) },
      { input: b, tensor: tf.tensor2d([1, 0, 0, 10], [2, 2]) },
    ];
    expect(run?.(feeds, [more, sums]).map((tensor) => tensor.arraySync())).toEqual([
      [
        [3, 22],
        [5, 42],
      ],
      [8, 64],
    ]);
    expect(run?.(feeds, [sums])[0]?.arraySync()).toEqual([8, 64]);
    expect(() => run?.(feeds.slice(1), [sums])).toThrow("no tensor for its input");
    run?.close();
  });

  test("that onnxruntime cannot compute says why, and computes the next time", () => {
    const graph = createGraph();
    const [a, b] = [graph.input(), graph.input()];
    const product = graph.op("MatMul", [a, b]);
    const run = graphRuntime()?.open(graph);
    const feeds = (rows: number) => [
      { input: a, tensor: tf.ones([2, 3]) },
      { input: b, tensor: tf.ones([rows, 2]) },
    ];
    expect(() => run?.(feeds(4), [product])).toThrow(/onnxruntime: .*MatMul/);
    expect(run?.(feeds(3), [product])[0]?.arraySync()).toEqual([
      [3, 3],
      [3, 3],
    ]);
    run?.close();
  });

  test("with an operation that ONNX has no form of here is refused by its name", () => {
    const graph = createGraph();
    const odd = graph.op("Lgamma", [graph.input()]);
    expect(() => onnxModel(graph.nodes, [odd])).toThrow("Lgamma");
  });
});

test("onnxruntime refuses what is no model", () => {
  expect(() => openOnnxSession(new Uint8Array([1, 2, 3]), { inputs: [], outputs: [] })).toThrow();
});
