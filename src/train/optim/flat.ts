// Named tensors to one flat array and back, for the trip between processes.

import type { Parameters } from "../model/parameters.ts";
import { type Tensor, tf } from "../tensorflow/tensorflow.ts";

/** Values of all tensors in the order of `names`. */
export function flatten(tensors: Parameters, names: readonly string[]): Float32Array {
  const flat = new Float32Array(names.reduce((n, name) => n + (tensors[name]?.size ?? 0), 0));
  let at = 0;
  for (const name of names) {
    const tensor = tensors[name];
    if (tensor === undefined) throw new Error(`flatten: no tensor ${name}`);
    flat.set(tensor.dataSync<"float32">(), at);
    at += tensor.size;
  }
  return flat;
}

/** The tensors again, shaped as in `like`; the caller disposes them. Throws when the sizes do not add up. */
export function unflatten(
  flat: Float32Array,
  like: readonly { name: string; shape: readonly number[] }[],
): Record<string, Tensor> {
  const tensors: Record<string, Tensor> = {};
  let at = 0;
  for (const { name, shape } of like) {
    const size = shape.reduce((n, dim) => n * dim, 1);
    tensors[name] = tf.tensor(flat.slice(at, at + size), [...shape]);
    at += size;
  }
  if (at !== flat.length) throw new Error(`unflatten: ${flat.length} values for ${at}`);
  return tensors;
}
