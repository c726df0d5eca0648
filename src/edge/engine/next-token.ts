// From a row of logits to the next token, around the sampling that trainer and worker share.

import { ArtifactError, InputError } from "../../shared/errors.ts";
import {
  adjustLogits,
  argmax,
  type LogitSettings,
  logSumExp,
  type SamplingOptions,
  sampleToken,
  type Written,
} from "../../shared/sampling.ts";

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

/** What the caller's settings make of a model's logits. Throws InputError where they leave no token. */
export function allowedLogits(logits: Float32Array, written: Written, settings: LogitSettings): Float32Array {
  const adjusted = adjustLogits(logits, written, settings);
  if (adjusted === logits || hasToken(adjusted) || !hasToken(logits)) return adjusted;
  throw noTokenLeft(settings);
}

/**
 * For settings that forbid every token. transformers has no common answer: greedy, it writes padding; sampling fails within PyTorch; its
 * beam search returns the text so far.
 */
export function noTokenLeft({ noRepeatNgramSize = 0, minNewTokens = 0 }: LogitSettings): InputError {
  const forbidding = [
    ...(noRepeatNgramSize > 0 ? [`no_repeat_ngram_size ${noRepeatNgramSize}`] : []),
    ...(minNewTokens > 0 ? [`min_new_tokens ${minNewTokens}`] : []),
  ];
  return new InputError({
    code: "no_token_left",
    what: `${forbidding.join(" with ")} leaves no token to go on with`,
    where: `field "${noRepeatNgramSize > 0 ? "no_repeat_ngram_size" : "min_new_tokens"}"`,
    fix: "Ask for a larger no_repeat_ngram_size, or fewer min_new_tokens.",
  });
}

function hasToken(logits: Float32Array): boolean {
  return Number.isFinite(logits[argmax(logits)]);
}

/** The next id, greedy or drawn. Throws ArtifactError when the logits are not numbers. */
export function nextToken(logits: Float32Array, options: SamplingOptions, random: () => number): number {
  if (hasToken(logits)) return sampleToken(logits, options, random);
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
