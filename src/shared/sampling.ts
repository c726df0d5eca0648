// The next token from a row of logits, the same in the trainer and in the worker: greedy, or sampled at a temperature from the tokens
// that filters leave, in the order of Hugging Face's logits warpers. adjust-logits.ts holds what comes before.

import { keepMinP, keepTopK, keepTopP, keepTypicalP } from "./sampling/filters.ts";
import { sumOfExps } from "./sampling/sum-of-exps.ts";
import { borderAt, type Support, supportOf, totalWeight } from "./sampling/support.ts";

export { adjustLogits, type LogitSettings, type Written } from "./sampling/adjust-logits.ts";

export interface SamplingOptions {
  /** false: greedy, the rest is ignored. */
  doSample: boolean;
  /** > 0; 1 leaves the distribution as it is. */
  temperature: number;
  /** Keep the k likeliest tokens; 0 keeps all. */
  topK: number;
  /** Keep the smallest set of likeliest tokens whose probability reaches p; 1 keeps all. */
  topP: number;
  /** Keep tokens at least so many times as likely as the likeliest; absent or 0 keeps all. */
  minP?: number | undefined;
  /** Keep the smallest set of tokens, of typical surprise first, whose probability reaches p; absent or 1 keeps all. */
  typicalP?: number | undefined;
}

/** Index of the largest value; the lowest index on ties (as numpy's and PyTorch's argmax on CPU). */
export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if ((values[i] ?? 0) > (values[best] ?? 0)) best = i;
  return best;
}

/** log(sum(exp(values))), stable. */
export function logSumExp(values: ArrayLike<number>): number {
  const top = values[argmax(values)] ?? 0;
  return top + Math.log(sumOfExps(values, top));
}

/** Up to it a list kept in order is quicker than weights of the whole vocabulary. */
const MAX_SHORT_LIST = 256;

/** The first `count` ids in descending order of their logits (the lower id first on ties), found in one pass. */
export function likeliestOf(logits: ArrayLike<number>, count: number): number[] {
  const ids: number[] = [];
  const values: number[] = [];
  let least = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < logits.length; id++) {
    const value = logits[id] ?? 0;
    // an equal one comes after those of lower ids
    if (ids.length === count && !(value > least)) continue;
    let place = Math.min(ids.length, count - 1);
    for (; place > 0 && value > (values[place - 1] ?? 0); place--) {
      ids[place] = ids[place - 1] ?? 0;
      values[place] = values[place - 1] ?? 0;
    }
    ids[place] = id;
    values[place] = value;
    least = values[ids.length - 1] ?? least;
  }
  return ids;
}

/** The tokens that a draw may pick, with their weights. Not kept beyond the next call. */
export function samplingSupport(logits: ArrayLike<number>, options: SamplingOptions): Support {
  const { temperature, topK, topP, minP = 0, typicalP = 1 } = options;
  const isShort = topK > 0 && topK <= MAX_SHORT_LIST;
  const ids = isShort ? likeliestOf(logits, topK) : undefined;
  const top = logits[ids?.[0] ?? argmax(logits)] ?? 0;
  const support = supportOf(logits, { temperature, top }, ids);
  if (topK > 0 && !isShort) keepTopK(support, topK);
  if (topP < 1) keepTopP(support, topP);
  if (minP > 0) keepMinP(support, minP);
  if (typicalP < 1) keepTypicalP(support, typicalP);
  return support;
}

/** Draws a token id from logits [V]; `random` is uniform in [0, 1). The likeliest token where the temperature is too small to divide by. */
export function sampleToken(logits: ArrayLike<number>, options: SamplingOptions, random: () => number): number {
  const likeliest = argmax(logits);
  if (!options.doSample || !Number.isFinite((logits[likeliest] ?? 0) / options.temperature)) return likeliest;
  const support = samplingSupport(logits, options);
  const drawn = random() * totalWeight(support);
  return support.ids[borderAt(support, (mass) => mass > drawn).at] ?? likeliest;
}
