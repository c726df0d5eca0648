// The tokens that may still be drawn, with their weights: temperature makes them, each filter leaves some, a draw picks one.
// Every filter asks where the tokens, in some order, reach a mass. Sorting a vocabulary for that at every token costs more than a small
// model's step, so the mass is found by buckets of the order: one pass, and only the bucket that holds the border is sorted.

/** Parallel lists of the first `size` tokens. Their memory is used again by the next token: do not keep one. */
export interface Support {
  size: number;
  ids: Int32Array;
  /** exp(logit / temperature), relative to the likeliest token's, which is 1. */
  weights: Float64Array;
  /** Place in the order of the present filter, ascending from 0: how far the token's log-weight is below the likeliest's, at first. */
  keys: Float64Array;
}

/** Up to it sorting is as quick. */
const MAX_SORTED = 256;
const BUCKETS = 1024;
const BUCKETS_A_NAT = 16;

let room: Support = { size: 0, ids: new Int32Array(0), weights: new Float64Array(0), keys: new Float64Array(0) };

/** Room for `size` tokens. Drawing is synchronous, so that one suffices. */
function supportFor(size: number): Support {
  if (room.ids.length < size) {
    room = { size, ids: new Int32Array(size), weights: new Float64Array(size), keys: new Float64Array(size) };
  }
  room.size = size;
  return room;
}

/** Weights of the tokens `ids`, or of all. `top` is the largest logit. */
export function supportOf(
  logits: ArrayLike<number>,
  options: { temperature: number; top: number },
  ids?: readonly number[],
): Support {
  const support = supportFor(ids?.length ?? logits.length);
  const top = options.top / options.temperature;
  for (let at = 0; at < support.size; at++) {
    const id = ids === undefined ? at : (ids[at] ?? 0);
    const below = (logits[id] ?? Number.NEGATIVE_INFINITY) / options.temperature - top;
    support.ids[at] = id;
    support.weights[at] = Math.exp(below);
    support.keys[at] = -below;
  }
  return support;
}

/** Sum of all weights. */
export function totalWeight({ size, weights }: Support): number {
  let total = 0;
  for (let at = 0; at < size; at++) total += weights[at] ?? 0;
  return total;
}

/** Keeps, in place, the tokens that `isKept` says. */
export function keepWhere(support: Support, isKept: (at: number) => boolean): void {
  const { ids, weights, keys } = support;
  let kept = 0;
  for (let at = 0; at < support.size; at++) {
    if (!isKept(at)) continue;
    ids[kept] = ids[at] ?? 0;
    weights[kept] = weights[at] ?? 0;
    keys[kept] = keys[at] ?? 0;
    kept++;
  }
  support.size = kept;
}

/** Whether the token at `a` comes before the one at `b`: by key, the lower id first on ties. */
function compare({ keys, ids }: Support, a: number, b: number): number {
  const [x, y] = [keys[a] ?? 0, keys[b] ?? 0];
  return x < y ? -1 : x > y ? 1 : (ids[a] ?? 0) - (ids[b] ?? 0);
}

function bucketOf(key: number): number {
  return Math.min(BUCKETS - 1, Math.floor(key * BUCKETS_A_NAT)); // keys may be infinite
}

/** Where the border lies. */
export interface Border {
  /** Index of the token in the support. */
  at: number;
  /** Weight up to it, itself included. */
  mass: number;
}

/**
 * The token at which the weights, summed in the order of the keys, satisfy `isReached`, which stays true once it is. The last token with a
 * weight when none does. `weightAt` defaults to the tokens' own.
 */
export function borderAt(
  support: Support,
  isReached: (mass: number) => boolean,
  weightAt: (at: number) => number = (at) => support.weights[at] ?? 0,
): Border {
  const positions: number[] = [];
  let mass = 0;
  if (support.size <= MAX_SORTED) for (let at = 0; at < support.size; at++) positions.push(at);
  else {
    const masses = new Float64Array(BUCKETS);
    for (let at = 0; at < support.size; at++) {
      const bucket = bucketOf(support.keys[at] ?? 0);
      masses[bucket] = (masses[bucket] ?? 0) + weightAt(at);
    }
    let border = BUCKETS - 1;
    while (border > 0 && masses[border] === 0) border--;
    let before = 0;
    for (let bucket = 0; bucket < border; bucket++) {
      const upTo = before + (masses[bucket] ?? 0);
      if (isReached(upTo)) border = bucket;
      else before = upTo;
    }
    mass = before;
    for (let at = 0; at < support.size; at++) if (bucketOf(support.keys[at] ?? 0) === border) positions.push(at);
  }
  positions.sort((a, b) => compare(support, a, b));
  let last = positions[0] ?? 0;
  for (const at of positions) {
    const weight = weightAt(at);
    if (weight === 0) continue;
    last = at;
    mass += weight;
    if (isReached(mass)) break;
  }
  return { at: last, mass };
}

/** Keeps the tokens up to a border, it included. */
export function keepUpTo(support: Support, border: Border): void {
  const { at: last } = border;
  const [key, id] = [support.keys[last] ?? 0, support.ids[last] ?? 0];
  keepWhere(support, (at) => {
    const own = support.keys[at] ?? 0;
    return own < key || (own === key && (support.ids[at] ?? 0) <= id);
  });
}
