// Autoregressive decoding of one prompt, greedy or sampled, one or several candidates: as a job that shares its steps with others where the
// model's graphs allow it.

import { InputError } from "../../shared/errors.ts";
import { policyPrompt } from "../../shared/prompts.ts";
import type { LogitSettings, SamplingOptions } from "../../shared/sampling.ts";
import type { EarlyStopping } from "../../shared/search/beam-search.ts";
import { createUnknownText, type UnknownText } from "../../shared/unknown-characters.ts";
import { encodeWithinLimit } from "./encode.ts";
import { rowBytes } from "./memory-budget.ts";
import type { Model } from "./model.ts";
import { type FinishReason, type GeneratedToken, hasEnded, newRow, type Row, type Seed, textOf } from "./row.ts";
import { createRowsAlone, type RowsAlone } from "./rows-alone.ts";
import { paddedSourceLength, type RowsTogether, sharesSteps } from "./rows-together.ts";
import type { Job } from "./scheduler.ts";
import { encodeSources } from "./t5.ts";
import type { UseListener } from "./used.ts";
import { bytesAPosition, checkWork, decoderSeconds, encoderSeconds, workingBytes } from "./work.ts";

export type { FinishReason, GeneratedToken } from "./row.ts";

export interface GenerateOptions extends LogitSettings, UseListener {
  prompt: string;
  /** Text that the completion already begins with: forced, and not counted among the new tokens. */
  prefix?: string | undefined;
  /** At most the model's max_target_tokens; by default so many, or what memory allows. */
  maxNewTokens?: number | undefined;
  /** A text ends after so long. */
  maxTimeMs?: number | undefined;
  sampling: SamplingOptions;
  seed: number;
  /** Stream, and sample of the first candidate: draws what a rollout draws by the same seed. */
  stream?: readonly [stream: number, sample: number] | undefined;
  stop: readonly string[];
  /** Ids that end a text as EOS does. */
  stopIds?: readonly number[] | undefined;
  repetitionPenalty: number;
  /** Candidates drawn together; each has its own random sequence. */
  candidates: number;
  /** Search for the likeliest texts instead of drawing some; all of them are candidates then, best first. */
  beams?: BeamSettings | undefined;
  /** Also tell the text of each token. */
  tokenTexts?: boolean | undefined;
  /** So many of the likeliest alternatives of each token, at most 5. */
  topTokens?: number | undefined;
  /** Ends the request within one token; the promise rejects with its reason. */
  signal?: AbortSignal | undefined;
  /** Called in order as tokens are drawn. */
  onToken?: ((event: GeneratedToken) => void) | undefined;
  /** Called with the number of tokens of the first candidate as it grows; where there are beams, not at all. */
  onProgress?: ((tokens: number) => void) | undefined;
  /** Called with the place in the line, from 1, while the request waits and whenever it changes. */
  onQueue?: ((position: number) => void) | undefined;
}

export interface BeamSettings {
  count: number;
  /** 1 ranks by the mean log-prob of a token, 0 by the sum. */
  lengthPenalty: number;
  earlyStopping: EarlyStopping;
}

export interface Candidate {
  /** Generated ids, EOS included when it was reached; without those of the prefix. */
  ids: number[];
  /** Natural-log probability of each id under the model, before temperature and the other settings. */
  tokenLogps: number[];
  /** What each id added to the text ("" for a special token); empty unless asked for. */
  tokenTexts: string[];
  /** Text without special tokens, the prefix included; it ends with the stop string when one was met. */
  text: string;
  finishReason: FinishReason;
  /** What a beam search ranked it by. */
  beamScore?: number;
}

export interface Generation {
  /** The policy's name. */
  model: string;
  promptTokens: number;
  /** What the vocabulary lacks of prompt and prefix; absent where it lacks nothing. */
  unknown?: UnknownText | undefined;
  /** In the order of their rows. */
  candidates: Candidate[];
}

export interface GenerateJob extends Job {
  result(): Generation;
}

/** Where a request is written. */
export interface GenerateRoom {
  /** Where its rows go. */
  together: RowsTogether | undefined;
  budgetBytes: number;
}

/** Copies of a source for the candidates of one request: beyond, they share it and are decoded by themselves. */
const MAX_COPIED_BYTES = 4 * 2 ** 20;
const MAX_TOP_TOKENS = 5;

/**
 * Checks a request and makes a job of it. Throws InputError when the prompt, the prefix or maxNewTokens is over the model's limit, or all
 * would take too much work or memory (`budgetBytes`).
 */
export function generateJob(
  model: Model,
  options: GenerateOptions,
  { together, budgetBytes }: GenerateRoom,
): GenerateJob {
  if (model.manifest.reward !== undefined) throw noPolicy(model);
  const source = encodeWithinLimit(model, policyPrompt(options.prompt), {
    what: "prompt",
    field: "prompt",
    fix: "Shorten it.",
  });
  const forced = forcedIds(model, options.prefix);
  const perPosition = bytesAPosition(model.config);
  const copiedBytes = paddedSourceLength(source.length) * perPosition * options.candidates;
  const isAlone =
    together === undefined || !sharesSteps(model) || (options.candidates > 1 && copiedBytes > MAX_COPIED_BYTES);
  const shared = isAlone
    ? undefined
    : { count: options.candidates, sourceLength: paddedSourceLength(source.length), length: 0 };
  const sourceBytes = source.length * perPosition;
  const working = workingBytes(model.config, source.length);
  /** What so many tokens take; alone, a step holds the past twice: as it was, and grown. */
  const bytesOf = (tokens: number): number =>
    shared === undefined
      ? 2 * perPosition * options.candidates * tokens
      : rowBytes(model.config, [{ ...shared, length: tokens }]);
  const fitting = mostFitting(model.manifest.limits.max_target_tokens, (tokens) => {
    return sourceBytes + working + bytesOf(forced.length + tokens + 1) <= budgetBytes;
  });
  const maxNewTokens = targetLimit(model, options.maxNewTokens, { forced: forced.length, fitting });
  const steps = forced.length + maxNewTokens;
  checkWork(encoderSeconds(model.config, source.length, 1) + decoderSeconds(model.config, steps, options.candidates), {
    what: "the answer",
    field: "max_new_tokens",
    fix: "Ask for fewer tokens or candidates.",
  });
  const rows = Array.from({ length: options.candidates }, (_, candidate) =>
    newRow(model, { candidate, seed: seedOf(options, candidate), forced, settings: settingsOf(options, maxNewTokens) }),
  );

  let isEncoded = false;
  let alone: RowsAlone | undefined;
  let toldLength = 0;
  return {
    bytes: sourceBytes + (shared === undefined ? bytesOf(steps + 1) : 0),
    workingBytes: working,
    rows: shared && { ...shared, length: steps + 1 },
    get isDone() {
      return rows.every(hasEnded);
    },
    get hasWork() {
      return !isEncoded || alone !== undefined;
    },
    async advance() {
      if (alone !== undefined) await alone.step();
      else if (!isEncoded) {
        const encoded = await encodeSources(model, [source]);
        isEncoded = true;
        if (isAlone) alone = createRowsAlone(model, rows, encoded);
        else together.add(rows, encoded);
      }
    },
    deliver() {
      for (const row of rows) {
        if (row.failure !== undefined) throw row.failure.error;
        for (const event of row.untold.splice(0)) options.onToken?.(event);
      }
      const length = rows[0]?.ids.length ?? 0;
      if (length > toldLength) options.onProgress?.(length);
      toldLength = length;
    },
    release() {
      alone?.free();
      together?.remove(rows);
      const completionTokens = rows.reduce((sum, { ids }) => sum + ids.length, 0);
      options.onUsed?.({ promptTokens: isEncoded ? source.length : 0, completionTokens, steps: 0 });
    },
    result: () => ({
      model: model.manifest.model,
      promptTokens: source.length,
      unknown: unknownOf(model, options, { source, forced }),
      candidates: rows.map((row) => finish(model, row, options.tokenTexts ?? false)),
    }),
  };
}

/** Generates without other requests beside it. */
export async function generate(model: Model, options: GenerateOptions): Promise<Generation> {
  const job = generateJob(model, options, { together: undefined, budgetBytes: Number.POSITIVE_INFINITY });
  try {
    while (!job.isDone) {
      options.signal?.throwIfAborted();
      await job.advance();
      job.deliver();
    }
    return job.result();
  } finally {
    job.release();
  }
}

/** The largest number up to `limit` that fits; less ones do, too. */
function mostFitting(limit: number, fits: (count: number) => boolean): number {
  let [low, high] = [0, limit];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (fits(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

function seedOf({ seed, stream }: GenerateOptions, candidate: number): Seed {
  return stream === undefined ? seed + candidate : [seed, stream[0], stream[1] + candidate];
}

function settingsOf(options: GenerateOptions, maxNewTokens: number): Row["settings"] {
  const { sampling, stop, stopIds = [], maxTimeMs, topTokens = 0, onToken } = options;
  return {
    sampling,
    logits: options,
    stop,
    stopIds,
    maxNewTokens,
    topTokens: Math.min(topTokens, MAX_TOP_TOKENS),
    listens: onToken !== undefined,
    endsAt: maxTimeMs === undefined ? Number.POSITIVE_INFINITY : Date.now() + maxTimeMs,
  };
}

/** What the vocabulary lacks of a request. */
export function unknownOf(
  { tokenizer }: Model,
  { prompt, prefix = "" }: Pick<GenerateOptions, "prompt" | "prefix">,
  { source, forced = [] }: { source: readonly number[]; forced?: readonly number[] },
): UnknownText | undefined {
  const unknown = createUnknownText(tokenizer);
  unknown.add(prompt, source);
  unknown.add(prefix, forced);
  return unknown.found();
}

/** Ids that the completion begins with. Throws InputError when they are too many. */
export function forcedIds(model: Model, prefix: string | undefined): number[] {
  if (prefix === undefined || prefix === "") return [];
  const ids = encodeWithinLimit(model, prefix, { what: "prefix", field: "prefix", fix: "Shorten it." });
  return ids.at(-1) === model.config.eosTokenId ? ids.slice(0, -1) : ids;
}

function finish(model: Model, row: Row, withTokenTexts: boolean): Candidate {
  const { ids, tokenLogps, finishReason = "length" } = row;
  const tokenTexts = withTokenTexts ? textsOfTokens(model, row) : [];
  return { ids, tokenLogps, tokenTexts, text: textOf(model, row), finishReason };
}

function textsOfTokens(model: Model, { forced, ids }: Row): string[] {
  const upTo = (count: number): string => model.tokenizer.decode([...forced, ...ids.slice(0, count)]);
  const prefixes = [forced.length === 0 ? "" : upTo(0), ...ids.map((_, index) => upTo(index + 1))];
  return ids.map((_, index) => (prefixes[index + 1] ?? "").slice(prefixes[index]?.length ?? 0));
}

/** For a model that cannot generate. */
export function noPolicy(model: Model): InputError {
  return new InputError({
    code: "not_a_policy",
    what: `model "${model.manifest.model}" is a process reward model: it scores, and writes no text`,
    fix: "Serve a policy beside it: npm run dev -- --policy DIR --reward DIR.",
  });
}

/** Tokens to write at most; `fitting` is what memory allows. Throws InputError. */
export function targetLimit(
  model: Model,
  asked: number | undefined,
  { forced, fitting }: { forced: number; fitting: number },
): number {
  const limit = model.manifest.limits.max_target_tokens;
  const refuse = (what: string): InputError =>
    new InputError({ code: "too_long", what, where: 'field "max_new_tokens"', fix: "Ask for fewer." });
  const wanted = asked ?? limit - forced;
  if (wanted > limit || wanted + forced > limit || wanted < 1) {
    const after = forced === 0 ? "" : ` after a prefix of ${forced}`;
    const { model: name } = model.manifest;
    throw refuse(`${wanted} new tokens are asked for${after}, the limit of model "${name}" is ${limit}`);
  }
  if (wanted <= fitting) return wanted;
  if (asked === undefined && fitting >= 1) return fitting;
  throw refuse(`${wanted} new tokens are asked for, memory is left for ${Math.max(0, fitting)} after this prompt`);
}
