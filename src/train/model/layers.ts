// Layers of T5 whose gradient is written by hand: fewer operations than the tape would record, no transposed operand on
// WebAssembly (there a product with one runs ten times slower), and no kernel that WebAssembly lacks.
// Each is checked against finite differences in tests/train/model/gradients.test.ts.

import { isTapeOn, withGradient } from "../tensorflow/tape/custom-gradient.ts";
import {
  currentBackend,
  graphRuntime,
  isBatchProduct,
  nativeOps,
  type Tensor1D,
  type Tensor2D,
  tf,
} from "../tensorflow/tensorflow.ts";
import { labelLogpsGraph } from "./graphs/label-logps.ts";

/** Matrix product with optionally transposed operands, [m, k] x [k, n]; on native TensorFlow of the kind that `isBatchProduct` says. */
export function product(a: Tensor2D, b: Tensor2D, transposeA = false, transposeB = false): Tensor2D {
  const ops = nativeOps();
  if (currentBackend() === "wasm") return tf.matMul(transposeA ? tf.transpose(a) : a, transposeB ? tf.transpose(b) : b);
  if (ops === undefined || isBatchProduct(transposeA, transposeB)) return tf.matMul(a, b, transposeA, transposeB);
  const { types } = ops;
  const [result] = ops.run(
    "MatMul",
    [
      { name: "transpose_a", type: types.attrBool, value: transposeA },
      { name: "transpose_b", type: types.attrBool, value: transposeB },
      { name: "T", type: types.attrType, value: types.float },
    ],
    [a, b],
    1,
  );
  return result as Tensor2D;
}

/** x [N, in] times weight [in, out] -> [N, out]; T5's projections have no bias. */
export function linear(x: Tensor2D, weight: Tensor2D): Tensor2D {
  type Matrices = [Tensor2D, Tensor2D];
  return withGradient<Matrices, Matrices, Tensor2D>(
    (x, weight) => ({
      value: product(x, weight),
      saved: [x, weight],
      gradient: (dy, [x, weight]) => [() => product(dy, weight, false, true), () => product(x, dy, true, false)],
    }),
    x,
    weight,
  );
}

/** x + change, both [N, D]. The tape's own addition would keep both for their shapes. */
export function residual(x: Tensor2D, change: Tensor2D): Tensor2D {
  return withGradient<[Tensor2D, Tensor2D], [], Tensor2D>(
    (x, change) => ({
      value: tf.add(x, change),
      saved: [],
      gradient: (dy) => [() => tf.clone(dy), () => tf.clone(dy)],
    }),
    x,
    change,
  );
}

/** RMS norm without mean or bias (T5LayerNorm): x [N, D] / rms(x) * gain [D]. */
export function rmsNorm(x: Tensor2D, gain: Tensor1D, epsilon: number): Tensor2D {
  return withGradient<[Tensor2D, Tensor1D], [Tensor2D, Tensor2D, Tensor1D], Tensor2D>(
    (x, gain) => {
      const inverseRms: Tensor2D = tf.rsqrt(tf.add(tf.mean(tf.square(x), 1, true), epsilon)); // [N, 1]
      const normed: Tensor2D = tf.mul(x, inverseRms);
      return {
        value: tf.mul(normed, gain),
        saved: [normed, inverseRms, gain],
        gradient: (dy, [normed, inverseRms, gain]) => [
          () => {
            const dNormed = tf.mul(dy, gain);
            const shared = tf.mean(tf.mul(dNormed, normed), 1, true);
            return tf.mul(tf.sub(dNormed, tf.mul(normed, shared)), inverseRms);
          },
          () => tf.sum(tf.mul(dy, normed), 0),
        ],
      };
    },
    x,
    gain,
  );
}

const GELU_SCALE = 2 * Math.sqrt(2 / Math.PI);
const GELU_CUBIC = 0.044715;

/**
 * gelu_new(a) * b, the tanh form (Hendrycks & Gimpel 2016, arXiv:1606.08415), as in T5 v1.1's gated feed-forward; a, b [N, F]. Written as
 * a sigmoid(z), since (1 + tanh(z / 2)) / 2 = sigmoid(z).
 */
export function gatedGelu(a: Tensor2D, b: Tensor2D): Tensor2D {
  return withGradient<[Tensor2D, Tensor2D], [Tensor2D, Tensor2D, Tensor2D], Tensor2D>(
    (a, b) => {
      const z: Tensor2D = tf.mul(a, tf.add(tf.mul(tf.square(a), GELU_SCALE * GELU_CUBIC), GELU_SCALE));
      const gate: Tensor2D = tf.sigmoid(z);
      return {
        value: tf.mul(tf.mul(a, gate), b),
        saved: [a, b, gate],
        gradient: (dy, [a, b, gate]) => [
          () => {
            // d gelu / da = gate + gate (1 - gate) a dz/da, with dz/da = scale + 3 scale cubic a^2
            const dz = tf.add(tf.mul(tf.square(a), 3 * GELU_SCALE * GELU_CUBIC), GELU_SCALE);
            const slope = sigmoidGradient(gate, tf.mul(a, dz));
            return tf.mul(tf.mul(dy, b), tf.add(gate, slope));
          },
          () => tf.mul(dy, tf.mul(a, gate)),
        ],
      };
    },
    a,
    b,
  );
}

/** dy y (1 - y), the gradient of y = sigmoid(x). */
function sigmoidGradient(y: Tensor2D, dy: Tensor2D): Tensor2D {
  const ops = nativeOps();
  if (ops === undefined) return tf.mul(dy, tf.mul(y, tf.sub(1, y)));
  const [dx] = ops.run("SigmoidGrad", [{ name: "T", type: ops.types.attrType, value: ops.types.float }], [y, dy], 1);
  return dx as Tensor2D;
}

/** Adds rows of dy [N, D] into zeros [rows, D] at `ids` [N]. */
function scatterRows(dy: Tensor2D, ids: Tensor1D, rows: number): Tensor2D {
  if (currentBackend() === "tensorflow") return tf.unsortedSegmentSum(dy, ids, rows) as Tensor2D;
  const width = dy.shape[1];
  const values = dy.dataSync();
  const index = ids.dataSync();
  const out = new Float32Array(rows * width);
  for (let n = 0; n < index.length; n++) {
    const to = (index[n] ?? 0) * width;
    const from = n * width;
    for (let d = 0; d < width; d++) out[to + d] = (out[to + d] ?? 0) + (values[from + d] ?? 0);
  }
  return tf.tensor2d(out, [rows, width]);
}

/** Rows of table [R, D] at ids [N] -> [N, D]: the embedding, and the relative-position bias. */
export function gatherRows(table: Tensor2D, ids: Tensor1D): Tensor2D {
  const rows = table.shape[0];
  return withGradient<[Tensor2D], [Tensor1D], Tensor2D>(
    (table) => ({
      value: tf.gather(table, ids),
      saved: [ids],
      gradient: (dy, [ids]) => [() => scatterRows(dy, ids, rows)],
    }),
    table,
  );
}

/** Rows whose logits exist at a time where none of them are kept. */
const ROWS_AT_ONCE = 128;

/**
 * Log-probability of each label under softmax(hidden . head^T): hidden [N, D], head [V, D], labels [N] (int32) -> [N].
 * Projection, log-softmax and pick in one: the tape keeps one [N, V] matrix, the softmax less the one-hot labels, with which the backward
 * pass is two products. That matrix is never multiplied by `dy`; the narrow factors are. `frozenHead`: the head is not trained.
 */
export function labelLogps(hidden: Tensor2D, head: Tensor2D, labels: Tensor1D, frozenHead = false): Tensor1D {
  const runtime = graphRuntime();
  const [rows] = hidden.shape;
  const keepsThem = !frozenHead && isTapeOn();
  const slices = keepsThem ? [[0, rows] as const] : rowSlices(rows);
  const logps = slices.map(([start, count]): Tensor1D => {
    const some = rowsOf(hidden, start, count);
    const ofSome: Tensor1D = count === rows ? labels : (tf.slice(labels, start, count) as Tensor1D);
    if (runtime === undefined) return portableLogps(some, head, ofSome); // on the tape it keeps them, frozen head or not
    return tf.tidy(() => {
      const places = tf.tensor2d(numbered(ofSome.dataSync<"int32">()), [count, 2], "int32");
      return labelLogpsGraph(runtime, { hidden: some, head, places, frozenHead });
    });
  });
  return logps.length === 1 && logps[0] !== undefined ? logps[0] : (tf.concat(logps) as Tensor1D);
}

/** Each value behind its number: 0, first value, 1, second value, ... */
function numbered(values: Int32Array): Int32Array {
  const pairs = new Int32Array(2 * values.length);
  values.forEach((value, n) => {
    pairs[2 * n] = n;
    pairs[2 * n + 1] = value;
  });
  return pairs;
}

/** The same in TensorFlow.js's operations. */
function portableLogps(hidden: Tensor2D, head: Tensor2D, labels: Tensor1D): Tensor1D {
  type Matrices = [Tensor2D, Tensor2D];
  return withGradient<Matrices, [...Matrices, Tensor2D], Tensor1D>(
    (hidden, head) => {
      const { logps, errors } = crossEntropy(product(hidden, head, false, true), labels);
      return {
        value: logps,
        saved: [hidden, head, errors],
        gradient: (dy, [hidden, head, errors]) => {
          const slope: Tensor2D = tf.neg(tf.expandDims(dy, 1)); // [N, 1]
          return [
            () => tf.mul(product(errors, head), slope),
            () => product(errors, tf.mul(hidden, slope), true, false),
          ];
        },
      };
    },
    hidden,
    head,
  );
}

function rowSlices(rows: number): [start: number, count: number][] {
  const starts = Array.from({ length: Math.ceil(rows / ROWS_AT_ONCE) }, (_, i) => i * ROWS_AT_ONCE);
  return starts.map((start) => [start, Math.min(ROWS_AT_ONCE, rows - start)]);
}

function rowsOf(x: Tensor2D, start: number, count: number): Tensor2D {
  return start === 0 && count === x.shape[0] ? x : tf.slice(x, [start, 0], [count, x.shape[1]]);
}

/** log p of each row's label, [N], and the negative of its gradient to the logits, softmax less one-hot, [N, V]; logits [N, V]. */
function crossEntropy(logits: Tensor2D, labels: Tensor1D): { logps: Tensor1D; errors: Tensor2D } {
  const [rows, vocab] = logits.shape;
  return tf.tidy(() => {
    const all: Tensor2D = tf.sub(logits, tf.logSumExp(logits, 1, true));
    const row = tf.range(0, rows, 1, "int32");
    const places = tf.add(tf.mul(row, tf.scalar(vocab, "int32")), labels);
    const logps: Tensor1D = tf.gather(tf.reshape(all, [rows * vocab]), places);
    return { logps, errors: tf.sub(tf.exp(all), tf.oneHot(labels, vocab)) };
  });
}
