// Value and gradients of a scalar loss by parameter name, their global norm, clipping and accumulation.

import type { Parameters } from "../model/parameters.ts";
import { createGraph } from "../tensorflow/graphs/graph.ts";
import type { GraphRuntime } from "../tensorflow/graphs/run-graph.ts";
import { gradientsOf } from "../tensorflow/tape/tape.ts";
import { graphRuntime, type Tensor, tf } from "../tensorflow/tensorflow.ts";
import type { AdamW } from "./adamw.ts";

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

/** Half the sums of squares of so many tensors, added up in one graph: one kernel each, with no matrix of squares in between. */
const halfSquares = new Map<number, (tensors: readonly Tensor[]) => Tensor[]>();

function openHalfSquares(runtime: GraphRuntime, count: number): (tensors: readonly Tensor[]) => Tensor[] {
  const graph = createGraph();
  const inputs = Array.from({ length: count }, () => graph.input());
  const halves = inputs.map((input) => graph.op("L2Loss", [input]));
  const total = graph.op("AddN", halves, { N: { int: count } });
  const run = runtime.open(graph);
  const open = (tensors: readonly Tensor[]): Tensor[] =>
    run(
      tensors.flatMap((tensor, i) => ({ input: inputs[i] ?? total, tensor })),
      [total],
    );
  halfSquares.set(count, open);
  return open;
}

/** L2 norm over all gradients together. */
export function globalNorm(gradients: Parameters): number {
  const tensors = Object.values(gradients);
  const runtime = graphRuntime();
  return tf.tidy(() => {
    if (tensors.length === 0) return 0;
    const [half] =
      runtime === undefined
        ? [tf.mul(tf.addN(tensors.map((x) => tf.sum(tf.square(x)))), 0.5)]
        : (halfSquares.get(tensors.length) ?? openHalfSquares(runtime, tensors.length))(tensors);
    return Math.sqrt(2 * (half?.dataSync()[0] ?? Number.NaN));
  });
}

/** Scales gradients in place (the old tensors are disposed). */
function scaleGradients(gradients: Record<string, Tensor>, factor: number): void {
  if (factor === 1) return;
  const scalar = tf.scalar(factor);
  for (const [name, gradient] of Object.entries(gradients)) {
    gradients[name] = tf.mul(gradient, scalar);
    gradient.dispose();
  }
  scalar.dispose();
}

/** What torch.nn.utils.clip_grad_norm_ multiplies gradients of this global norm by; a limit of 0 is none. */
function clipFactor(norm: number, maxNorm: number): number {
  return maxNorm > 0 && norm > maxNorm ? maxNorm / (norm + 1e-6) : 1;
}

/** Clips to a global norm; returns the norm before clipping. */
export function clipByGlobalNorm(gradients: Record<string, Tensor>, maxNorm: number): number {
  const norm = globalNorm(gradients);
  scaleGradients(gradients, clipFactor(norm, maxNorm));
  return norm;
}

/**
 * One update by clipped gradients (disposed here), none where their norm is not finite; returns the norm before clipping. The factor goes to
 * the optimizer, which saves a pass over them.
 */
export function applyGradients(
  optimizer: AdamW,
  gradients: Record<string, Tensor>,
  options: { maxGradNorm: number; learningRate: number },
): number {
  const norm = globalNorm(gradients);
  if (Number.isFinite(norm)) optimizer.step(gradients, options.learningRate, clipFactor(norm, options.maxGradNorm));
  tf.dispose(gradients);
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
