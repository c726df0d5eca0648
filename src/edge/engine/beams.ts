// Beam search of one prompt as a job: a step of all beams a turn. Beams share their source and their length, so that they are decoded by
// themselves; between steps the rows of the cache are put in the order of the beams that go on.

import { policyPrompt } from "../../shared/prompts.ts";
import { adjustLogits } from "../../shared/sampling.ts";
import { type BeamSearch, type BeamStep, beamSearch, type Hypothesis } from "../../shared/search/beam-search.ts";
import { encodeWithinLimit } from "./encode.ts";
import {
  type Candidate,
  forcedIds,
  type GenerateJob,
  type GenerateOptions,
  type GenerateRoom,
  noPolicy,
  targetLimit,
  unknownOf,
} from "./generate.ts";
import type { Model } from "./model.ts";
import { noTokenLeft } from "./next-token.ts";
import type { FinishReason } from "./row.ts";
import { endOfStop } from "./stop.ts";
import { type Cache, decodeStep, type Encoded, encodeSources, freeCache, freeEncoded, repeatSource } from "./t5.ts";
import { bytesAPosition, checkWork, decoderSeconds, encoderSeconds, workingBytes } from "./work.ts";

/** The past as it was, put in order, and grown. */
const COPIES_OF_PAST = 3;

/**
 * Checks a request for `options.beams` and makes a job of it, whose candidates are the hypotheses, best first. Sampling settings but those
 * of the logits are not used; tokens are told at the end. Throws InputError as `generateJob` does.
 */
export function beamJob(
  model: Model,
  options: GenerateOptions,
  { budgetBytes }: Omit<GenerateRoom, "together">,
): GenerateJob {
  const { beams } = options;
  if (beams === undefined) throw new TypeError("no beams are asked for");
  if (model.manifest.reward !== undefined) throw noPolicy(model);
  const about = { what: "prompt", field: "prompt", fix: "Shorten it." };
  const source = encodeWithinLimit(model, policyPrompt(options.prompt), about);
  const forced = forcedIds(model, options.prefix);
  const perPosition = bytesAPosition(model.config);
  // the plain graphs give every row a copy of the source's keys and values
  const sourceBytes = source.length * perPosition * (model.lean === undefined ? COPIES_OF_PAST * beams.count : 1);
  const bytesAToken = COPIES_OF_PAST * perPosition * beams.count;
  const working = workingBytes(model.config, source.length);
  const fitting = Math.floor((budgetBytes - sourceBytes - working) / bytesAToken) - forced.length - 1;
  const maxNewTokens = targetLimit(model, options.maxNewTokens, { forced: forced.length, fitting });
  const steps = forced.length + maxNewTokens;
  checkWork(encoderSeconds(model.config, source.length, 1) + decoderSeconds(model.config, steps, beams.count), {
    what: "the answer",
    field: "max_new_tokens",
    fix: "Ask for fewer tokens or beams.",
  });
  const search = startSearch(model, options, { forced, maxNewTokens });
  let next = search.next();
  let decoder: BeamDecoder | undefined;
  let isTold = false;
  let writtenSteps = 0;
  const candidates = (): Candidate[] =>
    next.done === true ? next.value.map((found) => candidateOf(model, options, forced, found)) : [];
  return {
    bytes: sourceBytes + (steps + 1) * bytesAToken,
    workingBytes: working,
    get isDone() {
      return next.done === true;
    },
    hasWork: true,
    async advance() {
      if (next.done === true) return;
      if (decoder === undefined) decoder = createBeamDecoder(model, await encodeSources(model, [source]), forced);
      else {
        next = search.next(await decoder.step(next.value));
        writtenSteps++;
        if (next.done === true && next.value.length === 0) throw noTokenLeft(options);
      }
    },
    deliver() {
      if (next.done !== true || isTold) return;
      isTold = true;
      candidates().forEach((candidate, at) => {
        tell(model, options, at, candidate);
      });
    },
    release() {
      decoder?.free();
      const found = candidates();
      // of a search that was broken off, all beams count
      const written =
        found.length > 0 ? found.reduce((sum, { ids }) => sum + ids.length, 0) : writtenSteps * beams.count;
      const promptTokens = decoder === undefined ? 0 : source.length;
      options.onUsed?.({ promptTokens, completionTokens: written, steps: 0 });
    },
    result: () => ({
      model: model.manifest.model,
      promptTokens: source.length,
      unknown: unknownOf(model, options, { source, forced }),
      candidates: candidates(),
    }),
  };
}

function startSearch(
  model: Model,
  options: GenerateOptions,
  { forced, maxNewTokens }: { forced: readonly number[]; maxNewTokens: number },
): BeamSearch {
  const { decoderStartTokenId: startId, eosTokenId, vocabSize } = model.config;
  const { beams, stop, stopIds = [], maxTimeMs = Number.POSITIVE_INFINITY } = options;
  const { count = 1, lengthPenalty = 1, earlyStopping = false } = beams ?? {};
  const endsAt = Date.now() + maxTimeMs;
  return beamSearch(startId, {
    beams: count,
    maxNewTokens,
    lengthPenalty,
    earlyStopping,
    eosTokenId,
    vocabSize,
    adjust: (logps, ids) => {
      const written = { startId, ids: [...forced, ...ids], newTokens: ids.length, endIds: [eosTokenId, ...stopIds] };
      return adjustLogits(logps, written, options);
    },
    isEnd: (ids) =>
      stopIds.includes(ids.at(-1) ?? -1) ||
      Date.now() >= endsAt ||
      (stop.length > 0 && stopEnd(model, forced, ids, stop) !== undefined),
  });
}

/** Where in the whole text the stop string ends that the new ids hold. */
function stopEnd(
  { tokenizer }: Model,
  forced: readonly number[],
  ids: readonly number[],
  stop: readonly string[],
): number | undefined {
  const start = forced.length === 0 ? 0 : tokenizer.decode(forced).length;
  const end = endOfStop(tokenizer.decode([...forced, ...ids]).slice(start), stop);
  return end === undefined ? undefined : start + end;
}

function candidateOf(
  model: Model,
  { stop, stopIds = [], tokenTexts = false }: GenerateOptions,
  forced: readonly number[],
  { ids, tokenLogps, score }: Hypothesis,
): Candidate {
  const whole = model.tokenizer.decode([...forced, ...ids]);
  const last = ids.at(-1) ?? -1;
  const end = last === model.config.eosTokenId ? undefined : stopEnd(model, forced, ids, stop);
  const isStopped = end !== undefined || stopIds.includes(last);
  const unstopped: FinishReason = last === model.config.eosTokenId ? "eos_token" : "length";
  return {
    ids,
    tokenLogps,
    tokenTexts: tokenTexts ? textsOf(model, forced, ids) : [],
    text: whole.slice(0, end),
    finishReason: isStopped ? "stop_sequence" : unstopped,
    beamScore: score,
  };
}

function textsOf({ tokenizer }: Model, forced: readonly number[], ids: readonly number[]): string[] {
  const upTo = (count: number): string =>
    forced.length + count === 0 ? "" : tokenizer.decode([...forced, ...ids.slice(0, count)]);
  return ids.map((_, at) => upTo(at + 1).slice(upTo(at).length));
}

function tell(model: Model, { prefix = "", onToken }: GenerateOptions, at: number, candidate: Candidate): void {
  if (onToken === undefined) return;
  const texts = textsOf(model, forcedIds(model, prefix), candidate.ids);
  candidate.ids.forEach((id, place) => {
    const logp = candidate.tokenLogps[place] ?? Number.NaN;
    onToken({ candidate: at, id, text: texts[place] ?? "", logp, special: id === model.config.eosTokenId });
  });
}

interface BeamDecoder {
  /** Logits `[B, V]` after one token of every beam. */
  step(step: BeamStep): Promise<Float32Array>;
  free(): void;
}

/** Takes the source over. */
function createBeamDecoder(model: Model, source: Encoded, forced: readonly number[]): BeamDecoder {
  const { vocabSize, numHeads, dKv } = model.config;
  let cache: Cache | undefined;
  let encoded = source;
  let rows = 1;
  const reorder = (parents: readonly number[]): void => {
    if (cache === undefined || (parents.length === rows && parents.every((parent, row) => parent === row))) return;
    const before = cache;
    const after = [...before].map(([name, value]): [string, typeof value] => {
      const shape = { heads: numHeads, length: value.dims[2] ?? 0, width: dKv };
      const parts = parents.map((row) => ({ value, row }));
      return [name, model.runtime.joinRows(parts, shape)];
    });
    cache = new Map(after);
    freeCache(model, before);
    if (parents.length !== rows) encoded = repeatSource(model, source, parents.length);
    rows = parents.length;
  };
  return {
    async step({ parents, tokens }) {
      reorder(parents);
      // the first step reads what is forced, too
      const inputIds = cache === undefined ? [...tokens, ...forced] : tokens;
      const decoded = await decodeStep(model, encoded, inputIds, cache);
      cache = decoded.cache;
      return decoded.logits.subarray(decoded.logits.length - rows * vocabSize);
    },
    free() {
      freeCache(model, cache);
      cache = undefined;
      freeEncoded(model, source);
    },
  };
}
