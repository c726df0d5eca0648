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

/**
 * Ids in descending order of their logits (the lower id first on ties), drawn one by one. Most draws end at the first, so only the second
 * builds the heap that the others come from.
 */
function likeliestFirst(logits: ArrayLike<number>, likeliest: number): () => number {
  let heap: Int32Array | undefined;
  let size = logits.length;
  let drawn = 0;
  const before = (a: number, b: number): boolean => {
    const [x, y] = [logits[a] ?? 0, logits[b] ?? 0];
    return x > y || (x === y && a < b);
  };
  const sift = (ids: Int32Array, start: number): void => {
    const id = ids[start] ?? 0;
    let place = start;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= size) break;
      if (child + 1 < size && before(ids[child + 1] ?? 0, ids[child] ?? 0)) child++;
      const larger = ids[child] ?? 0;
      if (!before(larger, id)) break;
      ids[place] = larger;
      place = child;
    }
    ids[place] = id;
  };
  const pop = (ids: Int32Array): number => {
    const id = ids[0] ?? 0;
    ids[0] = ids[--size] ?? 0;
    sift(ids, 0);
    return id;
  };
  return () => {
    if (drawn++ === 0) return likeliest;
    if (heap === undefined) {
      heap = Int32Array.from({ length: size }, (_, id) => id);
      for (let place = (size >> 1) - 1; place >= 0; place--) sift(heap, place);
      pop(heap); // the likeliest
    }
    return pop(heap);
  };
}

/** Up to it a list kept in order is quicker than a heap of the whole vocabulary. */
const MAX_SHORT_LIST = 256;

/** The first `count` ids of the same order, found in one pass. */
function likeliestOf(logits: ArrayLike<number>, count: number): number[] {
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

/** Draws a token id from logits [V]; `random` is uniform in [0, 1). */
export function sampleToken(logits: ArrayLike<number>, options: SamplingOptions, random: () => number): number {
  if (!options.doSample) return argmax(logits);
  const { temperature, topK, topP } = options;
  const likeliest = argmax(logits);
  const top = (logits[likeliest] ?? 0) / temperature;
  const weightOf = (id: number): number => Math.exp((logits[id] ?? Number.NEGATIVE_INFINITY) / temperature - top);
  const shortList = topK > 0 && topK <= MAX_SHORT_LIST ? likeliestOf(logits, topK).values() : undefined;
  const anyOrder = likeliestFirst(logits, likeliest);
  const next = (): number => shortList?.next().value ?? anyOrder();
  const kept: number[] = [];
  const weights: number[] = [];
  const keep = (): number => {
    const id = next();
    const weight = weightOf(id);
    kept.push(id);
    weights.push(weight);
    return weight;
  };
  const most = topK > 0 ? Math.min(topK, logits.length) : logits.length;
  let total = 0;
  if (topK > 0) while (kept.length < most) total += keep();
  else for (let id = 0; id < most; id++) total += weightOf(id);
  // top-p keeps every token whose predecessors do not yet reach p
  let mass = topP < 1 ? 0 : total;
  let count = topP < 1 ? 0 : most;
  while (topP < 1 && count < most && mass < topP * total) mass += weights[count++] ?? keep();
  let left = random() * mass;
  for (let i = 0; i < count; i++) {
    left -= weights[i] ?? keep();
    if (left < 0) return kept[i] ?? 0;
  }
  return kept[Math.max(0, count - 1)] ?? 0;
}
