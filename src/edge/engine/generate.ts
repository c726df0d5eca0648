// Autoregressive decoding of one prompt, greedy or sampled, one or several candidates in one batch.

import { InputError } from "../../shared/errors.ts";
import { policyPrompt } from "../../shared/prompts.ts";
import type { Model } from "./model.ts";
import { argmax, createRandom, penalizeRepetition, sampleToken, type SamplingOptions, tokenLogp } from "./sampling.ts";
import { endOfStop } from "./stop.ts";
import { type Cache, decodeStep, encodeSources, repeatSource } from "./t5.ts";

export interface GenerateOptions {
  prompt: string;
  maxNewTokens: number;
  /** undefined: greedy. */
  sampling?: SamplingOptions | undefined;
  seed: number;
  stop: readonly string[];
  repetitionPenalty: number;
  /** Candidates drawn in one batch; each row has its own random sequence. */
  candidates: number;
  /** Called between tokens: lets other requests in, throws to stop early. */
  pause?: (() => Promise<void>) | undefined;
}

export type FinishReason = "eos_token" | "length" | "stop_sequence";

export interface Candidate {
  /** Generated ids, EOS included when it was reached. */
  ids: number[];
  /** Natural-log probability of each id under the model, before temperature and the other settings. */
  tokenLogps: number[];
  /** Text without special tokens; it ends with the stop string when one was met. */
  text: string;
  finishReason: FinishReason;
}

export interface Generation {
  promptTokens: number;
  /** In the order of their rows. */
  candidates: Candidate[];
}

const TOKENS_BETWEEN_PAUSES = 8;

/** Token ids of a text that must fit the model. Throws InputError naming both numbers. */
export function encodeWithinLimit(model: Model, text: string, field: string): number[] {
  const ids = model.tokenizer.encode(text);
  const limit = model.manifest.limits.max_source_tokens;
  if (ids.length <= limit) return ids;
  throw new InputError({
    code: "too_long",
    what: `${field} has ${ids.length} tokens, the limit of model "${model.manifest.model}" is ${limit}`,
    where: `field "${field}"`,
    fix: "Shorten it.",
  });
}

/** Generates `options.candidates` continuations. Throws InputError when the prompt is too long. */
export async function generate(model: Model, options: GenerateOptions): Promise<Generation> {
  const source = encodeWithinLimit(model, policyPrompt(options.prompt), "prompt");
  const encoded = repeatSource(model, await encodeSources(model, [source]), options.candidates);
  const rows = Array.from({ length: options.candidates }, (_, row) => newRow(options.seed + row));
  const { vocabSize, decoderStartTokenId, padTokenId } = model.config;
  let cache: Cache | undefined;
  for (let step = 0; step < options.maxNewTokens && rows.some((row) => row.finishReason === undefined); step++) {
    if (step > 0 && step % TOKENS_BETWEEN_PAUSES === 0) await options.pause?.();
    const inputIds = rows.map((row) => row.ids.at(-1) ?? decoderStartTokenId);
    const decoded = await decodeStep(model, encoded, inputIds, cache);
    cache = decoded.cache;
    for (const [index, row] of rows.entries()) {
      if (row.finishReason !== undefined) continue;
      advance(model, row, decoded.logits.subarray(index * vocabSize, (index + 1) * vocabSize), options);
    }
  }
  return { promptTokens: source.length, candidates: rows.map((row) => finish(model, row, padTokenId)) };
}

interface Row {
  ids: number[];
  tokenLogps: number[];
  random: () => number;
  /** Set once the row has ended. */
  finishReason?: FinishReason;
  /** Text up to the end of the stop string. */
  stoppedText?: string;
}

function newRow(seed: number): Row {
  return { ids: [], tokenLogps: [], random: createRandom(seed) };
}

function advance(model: Model, row: Row, logits: Float32Array, options: GenerateOptions): void {
  const scores = options.repetitionPenalty === 1 ? logits : logits.slice();
  if (scores !== logits) penalizeRepetition(scores, [model.config.decoderStartTokenId, ...row.ids], options.repetitionPenalty);
  const id = options.sampling === undefined ? argmax(scores) : sampleToken(scores, options.sampling, row.random);
  row.ids.push(id);
  row.tokenLogps.push(tokenLogp(logits, id));
  if (id === model.config.eosTokenId) {
    row.finishReason = "eos_token";
    return;
  }
  if (options.stop.length === 0) return;
  const text = model.tokenizer.decode(row.ids);
  const end = endOfStop(text, options.stop);
  if (end === undefined) return;
  row.finishReason = "stop_sequence";
  row.stoppedText = text.slice(0, end);
}
