// Autoregressive decoding of one prompt, greedy or sampled, one or several candidates in one batch.

import { InputError } from "../../shared/errors.ts";
import { policyPrompt } from "../../shared/prompts.ts";
import { likeliestOf, logSumExp, type SamplingOptions } from "../../shared/sampling.ts";
import { encodeWithinLimit } from "./encode.ts";
import type { Model } from "./model.ts";
import { createRandom, nextToken, penalizeRepetition, tokenLogp } from "./next-token.ts";
import { pause } from "./pause.ts";
import { endOfStop } from "./stop.ts";
import { type Cache, decodeStep, type Encoded, encodeSources, freeCache, freeEncoded, repeatSource } from "./t5.ts";

export interface GenerateOptions {
  prompt: string;
  /** At most the model's max_target_tokens, which is also the default. */
  maxNewTokens?: number | undefined;
  sampling: SamplingOptions;
  seed: number;
  stop: readonly string[];
  repetitionPenalty: number;
  /** Candidates drawn in one batch; each row has its own random sequence. */
  candidates: number;
  /** Also tell the text of each token. */
  tokenTexts?: boolean | undefined;
  /** Once aborted, the work stops within one token, and the promise rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Called as tokens are drawn, in order. */
  onToken?: ((event: GeneratedToken) => void) | undefined;
  /** How many of the likeliest tokens each event tells, 0 to 5. */
  topTokens?: number | undefined;
  /** Text that the completion begins with; it is not part of the new tokens. */
  prefix?: string | undefined;
}

/** One token as it is drawn. */
export interface GeneratedToken {
  candidate: number;
  id: number;
  /** What it added to the text. */
  text: string;
  /** Natural-log probability under the model, before temperature and the other settings. */
  logp: number;
  special: boolean;
  topTokens?: { id: number; text: string; logp: number }[];
}

export type FinishReason = "eos_token" | "length" | "stop_sequence";

export interface Candidate {
  /** Generated ids, EOS included when it was reached. */
  ids: number[];
  /** Natural-log probability of each id under the model, before temperature and the other settings. */
  tokenLogps: number[];
  /** What each id added to the text ("" for a special token); empty unless asked for. */
  tokenTexts: string[];
  /** Text without special tokens; it ends with the stop string when one was met. */
  text: string;
  finishReason: FinishReason;
}

export interface Generation {
  /** The policy's name. */
  model: string;
  promptTokens: number;
  /** In the order of their rows. */
  candidates: Candidate[];
}

/** Generates `options.candidates` continuations. Throws InputError when the prompt or maxNewTokens is over the model's limit. */
export async function generate(model: Model, options: GenerateOptions): Promise<Generation> {
  if (model.manifest.reward !== undefined) throw noPolicy(model);
  const source = encodeWithinLimit(model, policyPrompt(options.prompt), {
    what: "prompt",
    field: "prompt",
    fix: "Shorten it.",
  });
  const maxNewTokens = targetLimit(model, options.maxNewTokens);
  const rows = Array.from({ length: options.candidates }, (_, row) => newRow(options.seed + row));
  const encoded = await encodeSources(model, [source]);
  try {
    await decode(model, repeatSource(model, encoded, options.candidates), rows, maxNewTokens, options);
  } finally {
    freeEncoded(model, encoded);
  }
  return {
    model: model.manifest.model,
    promptTokens: source.length,
    candidates: rows.map((row) => finish(model, row, options.tokenTexts ?? false)),
  };
}

/** Fills in the rows, until all have ended or have `maxNewTokens`. */
async function decode(
  model: Model,
  encoded: Encoded,
  rows: readonly Row[],
  maxNewTokens: number,
  options: GenerateOptions,
): Promise<void> {
  const { vocabSize, decoderStartTokenId } = model.config;
  let cache: Cache | undefined;
  try {
    for (let step = 0; step < maxNewTokens && rows.some((row) => row.finishReason === undefined); step++) {
      await pause(options.signal);
      const inputIds = rows.map((row) => row.ids.at(-1) ?? decoderStartTokenId);
      const decoded = await decodeStep(model, encoded, inputIds, cache);
      cache = decoded.cache;
      for (const [index, row] of rows.entries()) {
        if (row.finishReason !== undefined) continue;
        advance(model, row, decoded.logits.subarray(index * vocabSize, (index + 1) * vocabSize), options);
        tell(model, row, index, decoded.logits.subarray(index * vocabSize, (index + 1) * vocabSize), options);
      }
    }
  } finally {
    freeCache(model, cache);
  }
}

interface Row {
  ids: number[];
  tokenLogps: number[];
  random: () => number;
  /** Set once the row has ended. */
  finishReason?: FinishReason;
  /** Text up to the end of the stop string. */
  stoppedText?: string;
  /** What the events have told of the text. */
  toldText: string;
}

function newRow(seed: number): Row {
  return { ids: [], tokenLogps: [], toldText: "", random: createRandom(seed) };
}

function advance(model: Model, row: Row, logits: Float32Array, options: GenerateOptions): void {
  const scores = options.repetitionPenalty === 1 ? logits : logits.slice();
  if (scores !== logits)
    penalizeRepetition(scores, [model.config.decoderStartTokenId, ...row.ids], options.repetitionPenalty);
  const id = nextToken(scores, options.sampling, row.random);
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

/** Tells of the row's newest token. */
function tell(model: Model, row: Row, candidate: number, logits: Float32Array, options: GenerateOptions): void {
  const { onToken, topTokens } = options;
  const [id, logp] = [row.ids.at(-1), row.tokenLogps.at(-1)];
  if (onToken === undefined || id === undefined || logp === undefined) return;
  const whole = row.stoppedText ?? wholeText(model, row.ids);
  const text = whole.slice(row.toldText.length);
  row.toldText = whole;
  const special = id === model.config.eosTokenId;
  onToken({
    candidate,
    id,
    text,
    logp,
    special,
    ...(topTokens !== undefined && { topTokens: likeliest(model, logits, topTokens) }),
  });
}

/** Text of the ids; a character whose bytes are not all there is left out. */
function wholeText(model: Model, ids: readonly number[]): string {
  return model.tokenizer.decode(ids).replace(/\ufffd+$/u, "");
}

function likeliest(model: Model, logits: Float32Array, count: number): { id: number; text: string; logp: number }[] {
  const total = logSumExp(logits);
  return likeliestOf(logits, count).map((id) => ({
    id,
    text: model.tokenizer.decode([id]),
    logp: (logits[id] ?? Number.NaN) - total,
  }));
}

function finish(model: Model, row: Row, withTokenTexts: boolean): Candidate {
  const { ids, tokenLogps, stoppedText, finishReason = "length" } = row;
  const tokenTexts = withTokenTexts ? textsOfTokens(model, ids) : [];
  return { ids, tokenLogps, tokenTexts, text: stoppedText ?? model.tokenizer.decode(ids), finishReason };
}

function textsOfTokens(model: Model, ids: readonly number[]): string[] {
  const prefixes = ids.map((_, index) => model.tokenizer.decode(ids.slice(0, index + 1)));
  return prefixes.map((prefix, index) => prefix.slice(prefixes[index - 1]?.length ?? 0));
}

function noPolicy(model: Model): InputError {
  return new InputError({
    code: "not_a_policy",
    what: `model "${model.manifest.model}" is a process reward model: it scores, and writes no text`,
    fix: "Serve a policy beside it: npm run dev -- --policy DIR --reward DIR.",
  });
}

function targetLimit(model: Model, asked: number | undefined): number {
  const limit = model.manifest.limits.max_target_tokens;
  if (asked === undefined || asked <= limit) return asked ?? limit;
  throw new InputError({
    code: "too_long",
    what: `${asked} new tokens are asked for, the limit of model "${model.manifest.model}" is ${limit}`,
    where: 'field "max_new_tokens"',
    fix: "Ask for fewer.",
  });
}
