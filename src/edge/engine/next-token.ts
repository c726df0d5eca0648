// From a row of logits to the next token, around the sampling that trainer and worker share.

import { ArtifactError } from "../../shared/errors.ts";
import { argmax, logSumExp, type SamplingOptions, sampleToken } from "../../shared/sampling.ts";

/** Uniform numbers in [0, 1) from a 32-bit seed (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The next id, greedy or drawn. Throws ArtifactError when the logits are not numbers. */
export function nextToken(logits: Float32Array, options: SamplingOptions, random: () => number): number {
  if (Number.isFinite(logits[argmax(logits)])) return sampleToken(logits, options, random);
  throw new ArtifactError({
    code: "bad_logits",
    what: "the model's logits are not numbers",
    fix: "Export the model again: npm run export -- --model DIR.",
  });
}

/** Natural-log probability of `id` under softmax(logits). */
export function tokenLogp(logits: Float32Array, id: number): number {
  return (logits[id] ?? Number.NaN) - logSumExp(logits);
}

/**
 * Lowers, in place, the logits of ids seen already (Keskar et al. 2019, arXiv:1909.05858): positive ones are divided by
 * `penalty`, negative ones multiplied.
 */
export function penalizeRepetition(logits: Float32Array, seen: Iterable<number>, penalty: number): void {
  for (const id of new Set(seen)) {
    const logit = logits[id] ?? 0;
    logits[id] = logit > 0 ? logit / penalty : logit * penalty;
  }
}
