// A projection with a low-rank adapter (Hu et al. 2021, arXiv:2106.09685, equation 3): y = W x + (alpha / r) B A x. W is frozen: neither its
// gradient nor what that would need is ever computed or kept. In memory every matrix is the transpose of the file's, so y = x W + s (x A) B.

import { withGradient } from "../tensorflow/tape/custom-gradient.ts";
import { type Tensor, type Tensor2D, tf } from "../tensorflow/tensorflow.ts";
import { linear, product } from "./layers.ts";
import { ADAPTER_SCALE, loraA, loraB, matrix, type Parameters } from "./parameters.ts";

/** Whether the base weights among these parameters are frozen, because an adapter is trained on them. */
export function isAdapted(parameters: Parameters): boolean {
  return ADAPTER_SCALE in parameters;
}

/** x [N, in] times a weight [in, out] that is never trained -> [N, out]. */
export function frozenLinear(x: Tensor2D, weight: Tensor2D): Tensor2D {
  return withGradient<[Tensor2D], [Tensor2D], Tensor2D>(
    (x) => ({
      value: product(x, weight),
      saved: [weight],
      gradient: (dy, [weight]) => [() => product(dy, weight, false, true)],
    }),
    x,
  );
}

/** The matrices of one adapted projection, and the factor alpha / r as a scalar. */
export interface LowRank {
  a: Tensor2D;
  b: Tensor2D;
  scale: Tensor;
}

/** x [N, in] times a frozen weight [in, out], plus scale (x a) b -> [N, out]. */
export function adaptedLinear(x: Tensor2D, weight: Tensor2D, { a, b, scale }: LowRank): Tensor2D {
  type Matrices = [Tensor2D, Tensor2D, Tensor2D];
  return withGradient<Matrices, [...Matrices, Tensor2D, Tensor2D, Tensor], Tensor2D>(
    (x, a, b) => {
      const low: Tensor2D = tf.mul(product(x, a), scale); // [N, r]
      return {
        value: tf.add(product(x, weight), product(low, b)),
        saved: [x, a, b, weight, low, scale],
        gradient: (dy, [x, a, b, weight, low, scale]) => {
          const dLow: Tensor2D = tf.tidy(() => tf.mul(product(dy, b, false, true), scale)); // [N, r]
          return [
            () => tf.add(product(dy, weight, false, true), product(dLow, a, false, true)),
            () => product(x, dLow, true, false),
            () => product(low, dy, true, false),
          ];
        },
      };
    },
    x,
    a,
    b,
  );
}

/** x [N, in] through the projection `name` (without ".weight"), by its adapter where the parameters hold one -> [N, out]. */
export function project(p: Parameters, name: string, x: Tensor2D): Tensor2D {
  const weight = matrix(p, `${name}.weight`);
  const scale = p[ADAPTER_SCALE];
  if (scale === undefined) return linear(x, weight);
  if (!(loraA(name) in p)) return frozenLinear(x, weight);
  return adaptedLinear(x, weight, { a: matrix(p, loraA(name)), b: matrix(p, loraB(name)), scale });
}
