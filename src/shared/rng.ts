// Seeded random numbers: sfc32 (Chris Doty-Humphrey, PractRand), seeded through splitmix32.
// The state is four 32-bit words, so it can be saved in a checkpoint as plain JSON and picked up again.

import { InputError } from "./errors.ts";

/** Four unsigned 32-bit words: the whole state of a generator, as plain JSON. */
export type RngState = readonly [number, number, number, number];

export interface Rng {
  /** Uniform in [0, 1), 32 bits of it random. */
  next(): number;
  /** Uniform integer in [lo, hiExclusive). Throws RangeError for an empty range. */
  int(lo: number, hiExclusive: number): number;
  /** A uniformly chosen element. Throws RangeError for an empty list. */
  pick<T>(list: readonly T[]): T;
  /** A shuffled copy (Fisher-Yates). */
  shuffle<T>(list: readonly T[]): T[];
  /** The state to give to `restoreRng`. */
  state(): RngState;
}

/** A generator whose whole sequence is fixed by `seed` (an integer; only its low 32 bits count). */
export function createRng(seed: number): Rng {
  let word = seed >>> 0;
  const splitmix = (): number => {
    word = (word + 0x9e3779b9) >>> 0;
    let z = word;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
  return restoreRng([splitmix(), splitmix(), splitmix(), 1]);
}

/** The generator that goes on where `state()` was taken. Throws InputError when it is not four 32-bit words. */
export function restoreRng(state: readonly number[]): Rng {
  const [a0, b0, c0, d0] = state;
  const isWord = (word: number | undefined): word is number => Number.isInteger(word) && word === (word ?? 0) >>> 0;
  if (state.length !== 4 || !isWord(a0) || !isWord(b0) || !isWord(c0) || !isWord(d0)) {
    throw new InputError({
      code: "bad_rng_state",
      what: "a random state is four unsigned 32-bit integers",
      fix: "Start without --resume.",
    });
  }
  let a = a0;
  let b = b0;
  let c = c0;
  let counter = d0;
  const next = (): number => {
    const t = (a + b + counter) >>> 0;
    counter = (counter + 1) >>> 0;
    a = (b ^ (b >>> 9)) >>> 0;
    b = (c + (c << 3)) >>> 0;
    c = (((c << 21) | (c >>> 11)) + t) >>> 0;
    return t / 2 ** 32;
  };
  const int = (lo: number, hiExclusive: number): number => {
    if (!(hiExclusive > lo)) throw new RangeError(`rng.int: empty range [${lo}, ${hiExclusive})`);
    return lo + Math.floor(next() * (hiExclusive - lo));
  };
  return {
    next,
    int,
    pick: (list) => {
      const element = list[int(0, list.length)];
      if (element === undefined) throw new RangeError("rng.pick: the list holds undefined");
      return element;
    },
    shuffle: (list) => {
      const copy = [...list];
      for (let i = copy.length - 1; i > 0; i--) {
        const j = int(0, i + 1);
        [copy[i], copy[j]] = [copy[j] as (typeof copy)[number], copy[i] as (typeof copy)[number]]; // both indices are below length
      }
      return copy;
    },
    state: () => [a, b, c, counter],
  };
}
