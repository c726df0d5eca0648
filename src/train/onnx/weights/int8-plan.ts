// Which matrices of an int8 export stay float32: the front of the network, as far as a budget of size allows.
// A rounding error there passes through everything that follows. Measured one matrix at a time on the model that ships (step scores) and
// on a random T5 v1.1 (logits), the embedding and the first encoder block made nine tenths of the squared error of int8 weights.

import { EMBEDDING } from "../../model/parameters.ts";

/** At most this share of the parameters: the file is then at most twice as large as one of int8 alone. */
const FLOAT_SHARE = 1 / 3;
/** And at most so many parameters (4 MB): in a model of tens of millions the embedding alone is beyond it, and nothing stays float. */
const FLOAT_PARAMETERS = 2 ** 20;

/** A model of at most so many parameters (16 MB) is not rounded at all where the worker has graphs of its own. */
const EXACT_PARAMETERS = 2 ** 22;

/**
 * Names of all matrices of a small model, none of a larger one. In WebAssembly a float32 product of this size takes half the time of one of
 * two digits, and nothing is off: of a process reward model, which reads its scores at single positions, rounding moves one in hundreds by
 * 0.06.
 */
export function exactMatrices(
  shapes: ReadonlyMap<string, readonly number[]>,
  maxParameters = EXACT_PARAMETERS,
): Set<string> {
  const size = [...shapes.values()].reduce((sum, shape) => sum + shape.reduce((product, dim) => product * dim, 1), 0);
  return new Set(size > maxParameters ? [] : shapes.keys());
}

/**
 * Names of the matrices that stay float32, taken in the order in which data meets them (embedding, head, encoder blocks, decoder blocks)
 * until one does not fit the budget. `head` names the tensor of the output projection.
 */
export function floatMatrices(head: string, shapes: ReadonlyMap<string, readonly number[]>): Set<string> {
  const size = (name: string): number => (shapes.get(name) ?? []).reduce((product, dim) => product * dim, 1);
  const isMatrix = (name: string): boolean =>
    shapes.get(name)?.length === 2 && !name.includes("relative_attention_bias");
  const blocks = [...shapes.keys()].filter((name) => name !== EMBEDDING && name !== head && isMatrix(name));
  const ordered = [...new Set([EMBEDDING, head])].concat(blocks);
  const parameters = ordered.reduce((sum, name) => sum + size(name), 0);
  const budget = Math.min(parameters * FLOAT_SHARE, FLOAT_PARAMETERS);
  const kept = new Set<string>();
  let used = 0;
  for (const name of ordered) {
    used += size(name);
    if (used > budget) break;
    kept.add(name);
  }
  return kept;
}
