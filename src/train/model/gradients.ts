// Layers of T5 whose gradient is written by hand: fewer operations than the tape would record, no transposed operand on
// WebAssembly (there a product with one runs ten times slower), and no kernel that WebAssembly lacks.
// Each is checked against finite differences in tests/train/model/gradients.test.ts.

import { currentBackend, nativeOps, type Tensor1D, type Tensor2D, tf } from "../tensorflow.ts";
import { withGradient } from "./custom-gradient.ts";

/**
 * Matrix product with optionally transposed operands, [m, k] x [k, n]. On native TensorFlow it is `MatMul` itself: the `BatchMatMul`
 * that TensorFlow.js uses for every product takes 1.3 to 1.6 times as long on matrices of this size.
 */
export function product(a: Tensor2D, b: Tensor2D, transposeA = false, transposeB = false): Tensor2D {
  const ops = nativeOps();
  if (ops === undefined) return tf.matMul(transposeA ? tf.transpose(a) : a, transposeB ? tf.transpose(b) : b);
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

const GELU_SCALE = Math.sqrt(2 / Math.PI);
const GELU_CUBIC = 0.044715;

/** gelu_new(a) * b, the tanh form (Hendrycks & Gimpel 2016, arXiv:1606.08415), as in T5 v1.1's gated feed-forward; a, b [N, F]. */
export function gatedGelu(a: Tensor2D, b: Tensor2D): Tensor2D {
  return withGradient<[Tensor2D, Tensor2D], [Tensor2D, Tensor2D, Tensor2D], Tensor2D>(
    (a, b) => {
      const inner: Tensor2D = tf.mul(a, tf.add(tf.mul(tf.square(a), GELU_SCALE * GELU_CUBIC), GELU_SCALE));
      const tanh: Tensor2D = tf.tanh(inner);
      const half = tf.mul(tf.add(tanh, 1), 0.5);
      const gelu: Tensor2D = tf.mul(a, half);
      return {
        value: tf.mul(gelu, b),
        saved: [a, b, tanh],
        gradient: (dy, [a, b, tanh]) => {
          const half = tf.mul(tf.add(tanh, 1), 0.5);
          return [
            () => {
              // d gelu / da = half + a/2 (1 - tanh^2) * (scale + 3 scale cubic a^2)
              const slope = tf.mul(
                tf.mul(a, tf.sub(0.5, tf.mul(tf.square(tanh), 0.5))),
                tf.add(tf.mul(tf.square(a), 3 * GELU_SCALE * GELU_CUBIC), GELU_SCALE),
              );
              return tf.mul(tf.mul(dy, b), tf.add(half, slope));
            },
            () => tf.mul(dy, tf.mul(a, half)),
          ];
        },
      };
    },
    a,
    b,
  );
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

/**
 * Log-probability of each label under softmax(hidden . head^T): hidden [N, D], head [V, D], labels [N] (int32) -> [N].
 * Projection, log-softmax and pick in one, so that the tape keeps one [N, V] matrix instead of three.
 */
export function labelLogps(hidden: Tensor2D, head: Tensor2D, labels: Tensor1D): Tensor1D {
  return withGradient<[Tensor2D, Tensor2D], [Tensor2D, Tensor2D, Tensor1D, Tensor2D], Tensor1D>(
    (hidden, head) => {
      const logits = product(hidden, head, false, true);
      const logNorm: Tensor2D = tf.tidy(() => tf.logSumExp(logits, 1, true)); // [N, 1]
      const logps: Tensor2D = tf.sub(logits, logNorm); // [N, V]
      logits.dispose();
      const [rows, vocab] = logps.shape;
      const offsets = tf.mul(tf.range(0, rows, 1, "int32"), tf.scalar(vocab, "int32"));
      return {
        value: tf.gather(tf.reshape(logps, [rows * vocab]), tf.add(offsets, labels)),
        saved: [hidden, head, labels, logps],
        gradient: (dy, [hidden, head, labels, logps]) => {
          // dLogits = dy (oneHot - p), taken apart: the one-hot matrix is never made
          const weighted: Tensor2D = tf.tidy(() => tf.mul(tf.exp(logps), tf.expandDims(dy, 1))); // [N, V]
          const column = tf.expandDims(dy, 1); // [N, 1]
          return [
            () => tf.sub(tf.mul(tf.gather(head, labels), column), product(weighted, head)),
            () => tf.sub(scatterRows(tf.mul(hidden, column), labels, vocab), product(weighted, hidden, true, false)),
          ];
        },
      };
    },
    hidden,
    head,
  );
}
