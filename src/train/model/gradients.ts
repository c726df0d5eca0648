// Layers of T5 whose gradient is written by hand: fewer operations than the tape would record, no transposed operand on
// WebAssembly (there a product with one runs ten times slower), and no kernel that WebAssembly lacks.
// Each is checked against finite differences in tests/train/model/gradients.test.ts.

import { currentBackend, nativeOps, type Tensor, type Tensor1D, type Tensor2D, tf } from "../tensorflow.ts";

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

function pair(saved: Tensor[]): [Tensor2D, Tensor2D] {
  const [first, second] = saved;
  if (first?.rank !== 2 || second?.rank !== 2) throw new Error("two saved matrices expected");
  return [first as Tensor2D, second as Tensor2D];
}

/** x [N, in] times weight [in, out] -> [N, out]; T5's projections have no bias. */
export function linear(x: Tensor2D, weight: Tensor2D): Tensor2D {
  return tf.customGrad((...args) => {
    const [xs, w, save] = args as unknown as [Tensor2D, Tensor2D, tf.GradSaveFunc];
    save([xs, w]);
    return {
      value: product(xs, w),
      gradFunc: (dy: Tensor, saved: Tensor[]) => {
        const [xSaved, wSaved] = pair(saved);
        const grad = dy as Tensor2D;
        return [product(grad, wSaved, false, true), product(xSaved, grad, true, false)];
      },
    };
  })(x, weight) as Tensor2D;
}

/** RMS norm without mean or bias (T5LayerNorm): x [N, D] / rms(x) * gain [D]. */
export function rmsNorm(x: Tensor2D, gain: Tensor1D, epsilon: number): Tensor2D {
  return tf.customGrad((...args) => {
    const [xs, g, save] = args as unknown as [Tensor2D, Tensor1D, tf.GradSaveFunc];
    const inverseRms = tf.rsqrt(tf.add(tf.mean(tf.square(xs), 1, true), epsilon)); // [N, 1]
    const normed = tf.mul(xs, inverseRms);
    save([normed, inverseRms, g]);
    return {
      value: tf.mul(normed, g),
      gradFunc: (dy: Tensor, saved: Tensor[]) => {
        const [n, r, gSaved] = saved as [Tensor2D, Tensor2D, Tensor1D];
        const dNormed = tf.mul(dy, gSaved);
        const shared = tf.mean(tf.mul(dNormed, n), 1, true);
        return [tf.mul(tf.sub(dNormed, tf.mul(n, shared)), r), tf.sum(tf.mul(dy, n), 0)];
      },
    };
  })(x, gain) as Tensor2D;
}

const GELU_SCALE = Math.sqrt(2 / Math.PI);
const GELU_CUBIC = 0.044715;

/** gelu_new(a) * b, the tanh form (Hendrycks & Gimpel 2016, arXiv:1606.08415), as in T5 v1.1's gated feed-forward; a, b [N, F]. */
export function gatedGelu(a: Tensor2D, b: Tensor2D): Tensor2D {
  return tf.customGrad((...args) => {
    const [as, bs, save] = args as unknown as [Tensor2D, Tensor2D, tf.GradSaveFunc];
    const inner = tf.mul(as, tf.add(tf.mul(tf.square(as), GELU_SCALE * GELU_CUBIC), GELU_SCALE));
    const tanh = tf.tanh(inner);
    const half = tf.mul(tf.add(tanh, 1), 0.5);
    const gelu = tf.mul(as, half);
    save([as, bs, tanh]);
    return {
      value: tf.mul(gelu, bs),
      gradFunc: (dy: Tensor, saved: Tensor[]) => {
        const [aSaved, bSaved, t] = saved as [Tensor2D, Tensor2D, Tensor2D];
        const halfSaved = tf.mul(tf.add(t, 1), 0.5);
        // d gelu / da = half + a/2 (1 - t^2) * (scale + 3 scale cubic a^2)
        const slope = tf.mul(
          tf.mul(aSaved, tf.sub(0.5, tf.mul(tf.square(t), 0.5))),
          tf.add(tf.mul(tf.square(aSaved), 3 * GELU_SCALE * GELU_CUBIC), GELU_SCALE),
        );
        return [tf.mul(tf.mul(dy, bSaved), tf.add(halfSaved, slope)), tf.mul(dy, tf.mul(aSaved, halfSaved))];
      },
    };
  })(a, b) as Tensor2D;
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
  return tf.customGrad((...args) => {
    const [rows, index, save] = args as unknown as [Tensor2D, Tensor1D, tf.GradSaveFunc];
    save([index]);
    return {
      value: tf.gather(rows, index) as Tensor2D,
      gradFunc: (dy: Tensor, saved: Tensor[]) => [
        scatterRows(dy as Tensor2D, saved[0] as Tensor1D, rows.shape[0]),
        tf.zerosLike(saved[0] as Tensor1D),
      ],
    };
  })(table, ids) as Tensor2D;
}

/**
 * Log-probability of each label under softmax(hidden . head^T): hidden [N, D], head [V, D], labels [N] (int32) -> [N].
 * Projection, log-softmax and pick in one, so that the tape keeps one [N, V] matrix instead of three.
 */
export function labelLogps(hidden: Tensor2D, head: Tensor2D, labels: Tensor1D): Tensor1D {
  return tf.customGrad((...args) => {
    const [h, w, ids, save] = args as unknown as [Tensor2D, Tensor2D, Tensor1D, tf.GradSaveFunc];
    const logits = product(h, w, false, true);
    const shifted = tf.sub(logits, tf.max(logits, 1, true));
    const logNorm = tf.log(tf.sum(tf.exp(shifted), 1, true));
    const logps = tf.sub(shifted, logNorm) as Tensor2D; // [N, V]
    const [rows, vocab] = logps.shape;
    const offsets = tf.mul(tf.range(0, rows, 1, "int32"), tf.scalar(vocab, "int32"));
    const picked = tf.gather(tf.reshape(logps, [rows * vocab]), tf.add(offsets, ids));
    save([h, w, ids, logps]);
    return {
      value: picked,
      gradFunc: (dy: Tensor, saved: Tensor[]) => {
        const [hSaved, wSaved, idsSaved, logpsSaved] = saved as [Tensor2D, Tensor2D, Tensor1D, Tensor2D];
        // int32, then cast: asked for float32 directly, WebAssembly's kernel writes integers
        const oneHot = tf.cast(tf.oneHot(idsSaved, vocab), "float32");
        const dLogits = tf.mul(tf.sub(oneHot, tf.exp(logpsSaved)), tf.expandDims(dy, 1)) as Tensor2D;
        return [product(dLogits, wSaved), product(dLogits, hSaved, true, false), tf.zerosLike(idsSaved)];
      },
    };
  })(hidden, head, labels) as Tensor1D;
}
