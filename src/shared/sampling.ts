// The next token from a row of logits, the same in the trainer and in the worker: greedy, or temperature, top-k and top-p sampling
// in the order of Hugging Face's logits warpers.

export interface SamplingOptions {
  /** false: greedy, the rest is ignored. */
  doSample: boolean;
  /** > 0; 1 leaves the distribution as it is. */
  temperature: number;
  /** Keep the k likeliest tokens; 0 keeps all. */
  topK: number;
  /** Keep the smallest set of likeliest tokens whose probability reaches p; 1 keeps all. */
  topP: number;
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
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += Math.exp((values[i] ?? 0) - top);
  return top + Math.log(sum);
}

/** Draws a token id from logits [V]; `random` is uniform in [0, 1). */
export function sampleToken(logits: ArrayLike<number>, options: SamplingOptions, random: () => number): number {
  if (!options.doSample) return argmax(logits);
  const ids = Array.from({ length: logits.length }, (_, id) => id);
  const at = (id: number): number => (logits[id] ?? Number.NEGATIVE_INFINITY) / options.temperature;
  ids.sort((a, b) => at(b) - at(a) || a - b);
  const kept = options.topK > 0 ? ids.slice(0, options.topK) : ids;
  const top = at(kept[0] ?? 0);
  const weights = kept.map((id) => Math.exp(at(id) - top));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  // top-p keeps every token whose predecessors do not yet reach p
  let mass = 0;
  let count = 0;
  while (count < weights.length && mass < options.topP * total) mass += weights[count++] ?? 0;
  let left = random() * mass;
  for (let i = 0; i < count; i++) {
    left -= weights[i] ?? 0;
    if (left < 0) return kept[i] ?? 0;
  }
  return kept[Math.max(0, count - 1)] ?? 0;
}
