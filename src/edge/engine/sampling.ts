// From logits to the next token: greedy, or sampled with temperature, top-k and nucleus (top-p, Holtzman et al. 2020,
// arXiv:1904.09751), in the order of transformers' logits processors.

import { ArtifactError } from "../../shared/errors.ts";

export interface SamplingOptions {
  /** > 0; divides the logits. */
  temperature: number;
  /** Keep the k most likely tokens; undefined keeps all. */
  topK?: number | undefined;
  /** Keep the smallest set of tokens whose probabilities reach topP, in (0, 1]; undefined keeps all. */
  topP?: number | undefined;
}

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

/** Index of the largest logit, the lowest one on ties. Throws ArtifactError when no logit is a number. */
export function argmax(logits: Float32Array): number {
  let best = -1;
  let bestLogit = -Infinity;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id] ?? Number.NaN;
    if (logit > bestLogit) {
      best = id;
      bestLogit = logit;
    }
  }
  if (best >= 0) return best;
  throw new ArtifactError({
    code: "bad_logits",
    what: "the model returned no finite logit",
    fix: "Export the model again.",
  });
}

/** Natural-log probability of `id` under softmax(logits). */
export function tokenLogp(logits: Float32Array, id: number): number {
  const top = logits[argmax(logits)] ?? 0;
  let total = 0;
  for (const logit of logits) total += Math.exp(logit - top);
  return (logits[id] ?? Number.NaN) - top - Math.log(total);
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

/** Draws one token id; the same `random` sequence draws the same ids. */
export function sampleToken(logits: Float32Array, options: SamplingOptions, random: () => number): number {
  const top = logits[argmax(logits)] ?? 0;
  let kept = Array.from(logits, (logit, id) => ({ id, weight: Math.exp((logit - top) / options.temperature) }));
  if (options.topK !== undefined || options.topP !== undefined) {
    kept.sort((a, b) => b.weight - a.weight || a.id - b.id);
    if (options.topK !== undefined) kept = kept.slice(0, options.topK);
    if (options.topP !== undefined) kept = nucleus(kept, options.topP);
  }
  let remaining = random() * kept.reduce((sum, { weight }) => sum + weight, 0);
  for (const { id, weight } of kept) {
    remaining -= weight;
    if (remaining < 0) return id;
  }
  // Rounding may leave a crumb above zero: it belongs to the likeliest token.
  return argmax(logits);
}

function nucleus<T extends { weight: number }>(sorted: readonly T[], topP: number): T[] {
  const enough = topP * sorted.reduce((sum, { weight }) => sum + weight, 0);
  let reached = 0;
  const count = sorted.findIndex(({ weight }) => {
    reached += weight;
    return reached >= enough;
  });
  return sorted.slice(0, count < 0 ? sorted.length : count + 1);
}
