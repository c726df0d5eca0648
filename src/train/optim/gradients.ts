// Value and gradients of a scalar loss by parameter name, their global norm, clipping and accumulation.

import type { Parameters } from "../model/parameters.ts";
import { gradientsOf } from "../model/tape.ts";
import { nativeOps, type Tensor, tf } from "../tensorflow.ts";

/**
 * Differentiates a scalar `loss` by every parameter; it is given `frozen` ones too, whose gradients are not computed. The caller disposes
 * both results.
 */
export function valueAndGradients(
  loss: (p: Parameters) => Tensor,
  parameters: Parameters,
  frozen: Parameters = {},
): { value: Tensor; gradients: Record<string, Tensor> } {
  const { value, gradients } = gradientsOf(() => loss({ ...frozen, ...parameters }), Object.values(parameters));
  const names = Object.keys(parameters);
  return { value, gradients: Object.fromEntries(gradients.map((gradient, i) => [names[i] ?? "", gradient])) };
}

/** Half the sum of squares; native TensorFlow has one kernel for it, with no matrix of squares in between. */
function halfSquare(x: Tensor): Tensor {
  const ops = nativeOps();
  if (ops === undefined) return tf.mul(tf.sum(tf.square(x)), 0.5);
  const [half] = ops.run("L2Loss", [{ name: "T", type: ops.types.attrType, value: ops.types.float }], [x], 1);
  if (half === undefined) throw new Error("L2Loss returned nothing");
  return half;
}

/** L2 norm over all gradients together. */
export function globalNorm(gradients: Parameters): number {
  return tf.tidy(() => Math.sqrt(2 * (tf.addN(Object.values(gradients).map(halfSquare)).dataSync()[0] ?? Number.NaN)));
}

/** Scales gradients in place (the old tensors are disposed). */
export function scaleGradients(gradients: Record<string, Tensor>, factor: number): void {
  if (factor === 1) return;
  const scalar = tf.scalar(factor);
  for (const [name, gradient] of Object.entries(gradients)) {
    gradients[name] = tf.mul(gradient, scalar);
    gradient.dispose();
  }
  scalar.dispose();
}

/** Clips to a global norm as torch.nn.utils.clip_grad_norm_ does; returns the norm before clipping. */
export function clipByGlobalNorm(gradients: Record<string, Tensor>, maxNorm: number): number {
  const norm = globalNorm(gradients);
  if (maxNorm > 0 && norm > maxNorm) scaleGradients(gradients, maxNorm / (norm + 1e-6));
  return norm;
}

/** Adds `more` into `total` (both consumed); the sum of micro-batches. */
export function addGradients(
  total: Record<string, Tensor> | undefined,
  more: Record<string, Tensor>,
): Record<string, Tensor> {
  if (total === undefined) return more;
  const sum: Record<string, Tensor> = {};
  for (const [name, gradient] of Object.entries(more)) {
    const before = total[name];
    sum[name] = before === undefined ? tf.clone(gradient) : tf.add(before, gradient);
  }
  tf.dispose([total, more]);
  return sum;
}
