// Layers of a forward pass that nobody differentiates, in as few passes over memory as TensorFlow's kernels allow.

import { nativeOps, type Tensor2D, tf } from "../../tensorflow/tensorflow.ts";

const GELU_LINEAR = 2 * Math.sqrt(2 / Math.PI);
const GELU_CUBIC = 0.044715 * GELU_LINEAR;
/** Factor on a gate's input with which the cubic term of gelu has the coefficient 1: u = scale * a. */
export const GATE_SCALE = Math.cbrt(GELU_CUBIC);

/** x / sqrt(sum x^2 + D epsilon), row by row: T5's norm without its gain and without sqrt(D), which the next projection brings. */
export function unitNorm(x: Tensor2D, epsilon: number): Tensor2D {
  return tf.tidy(() => {
    const squares = tf.square(lengthOfRows(x)); // [N, 1]
    return tf.mul(x, tf.rsqrt(tf.add(squares, epsilon * x.shape[1])));
  });
}

/** Euclidean length of each row, [N, D] -> [N, 1]. */
function lengthOfRows(x: Tensor2D): Tensor2D {
  const ops = nativeOps();
  if (ops === undefined) return tf.sqrt(tf.sum(tf.square(x), 1, true));
  const { types } = ops;
  const attributes = [
    { name: "keep_dims", type: types.attrBool, value: true },
    { name: "T", type: types.attrType, value: types.float },
    { name: "Tidx", type: types.attrType, value: types.int32 },
  ];
  const [length] = ops.run("EuclideanNorm", attributes, [x, tf.scalar(1, "int32")], 1);
  return length as Tensor2D;
}

/**
 * gelu_new(a) b, [N, F], of u = GATE_SCALE a and b / GATE_SCALE: a sigmoid(z) with z = u^3 + c u (Hendrycks & Gimpel 2016,
 * arXiv:1606.08415, the tanh form).
 */
export function gated(u: Tensor2D, b: Tensor2D): Tensor2D {
  return tf.tidy(() => {
    const z: Tensor2D = tf.mul(u, tf.add(tf.square(u), GELU_LINEAR / GATE_SCALE));
    return tf.mul(timesSigmoid(u, z), b);
  });
}

/** u sigmoid(z), which TensorFlow has in one kernel as the gradient of softplus. */
function timesSigmoid(u: Tensor2D, z: Tensor2D): Tensor2D {
  const ops = nativeOps();
  if (ops === undefined) return tf.mul(u, tf.sigmoid(z));
  const [result] = ops.run(
    "SoftplusGrad",
    [{ name: "T", type: ops.types.attrType, value: ops.types.float }],
    [u, z],
    1,
  );
  return result as Tensor2D;
}
