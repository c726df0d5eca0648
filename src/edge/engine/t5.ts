// Running the exported graphs: the encoder once, the decoder step by step with its key/value cache.
// Plain form: cross-attention keys and values are those of the first step; later steps feed them back and fetch only their own.
// Lean form: the encoder itself gives them, tokens go in as embeddings, and the head is a third graph.
// Shape letters: B batch, S source length, H heads, K dKv, V vocabulary.

import {
  type CacheSide,
  DECODER_INPUTS,
  ENCODER_INPUTS,
  ENCODER_OUTPUT,
  LEAN,
  LOGITS,
  pastName,
  presentName,
} from "../../shared/onnx-names.ts";
import type { T5Config } from "../../shared/t5-config.ts";
import type { Model } from "./model.ts";
import type { Value } from "./runtime.ts";

/** Sources read by the encoder; `freeEncoded` gives their memory back. */
export interface Encoded {
  batch: number;
  /** What each step of the decoder is given of them, by input name: hidden states `[B, S, D]`, or in the lean form the cross cache. */
  states: Readonly<Record<string, Value>>;
  /** [B, S], 1 for real tokens. */
  mask: Value;
}

/** The decoder's past, by input name; grows by one position a step. `freeCache` gives its memory back. */
export type Cache = ReadonlyMap<string, Value>;

/** Runs the encoder on sources of any length; shorter ones are padded and masked. */
export async function encodeSources(model: Model, sources: readonly (readonly number[])[]): Promise<Encoded> {
  const batch = sources.length;
  const length = Math.max(...sources.map((ids) => ids.length));
  const { padTokenId } = model.config;
  const position = Array.from({ length }, (_, index) => index);
  const ids = sources.flatMap((source) => position.map((at) => source[at] ?? padTokenId));
  const mask = sources.flatMap((source) => position.map((at) => (at < source.length ? 1 : 0)));
  const maskValue = model.runtime.int64(mask, [batch, length]);
  const feeds = {
    ...tokenInput(model, ids, [batch, length]),
    ...adapterInput(model),
    [ENCODER_INPUTS.attentionMask]: maskValue,
  };
  if (model.lean !== undefined) {
    const names = cacheNames(model.config, ["encoder"]).map(({ past }) => past);
    return { batch, states: byName(names, await model.encoder.run(feeds, names)), mask: maskValue };
  }
  const states = byName([DECODER_INPUTS.encoderHiddenStates], await model.encoder.run(feeds, [ENCODER_OUTPUT]));
  return { batch, states, mask: maskValue };
}

/** Token ids as the graphs take them: as they are, or as embeddings. */
function tokenInput(
  { lean, runtime, config }: Model,
  ids: readonly number[],
  dims: readonly [number, number],
): Record<string, Value> {
  if (lean === undefined) return { [ENCODER_INPUTS.inputIds]: runtime.int64(ids, dims) };
  return { [LEAN.inputEmbeddings]: runtime.float32(lean.embed(ids), [...dims, config.dModel]) };
}

/** The strength of the adapter, where the graphs hold one. */
function adapterInput({ lean, manifest, runtime, adapterScale }: Model): Record<string, Value> {
  if (lean === undefined || manifest.adapter === undefined) return {};
  return { [LEAN.adapterScale]: runtime.float32(Float32Array.of(adapterScale), []) };
}

function byName(names: readonly string[], values: readonly Value[]): Record<string, Value> {
  const entries = names.flatMap((name, i): [string, Value][] => {
    const value = values[i];
    return value === undefined ? [] : [[name, value]];
  });
  return Object.fromEntries(entries);
}

/** Frees what the encoder gave. */
export function freeEncoded({ runtime }: Model, { states }: Encoded): void {
  runtime.free(Object.values(states));
}

/** Frees a cache that is not decoded on. */
export function freeCache({ runtime }: Model, cache: Cache | undefined): void {
  runtime.free(cache?.values() ?? []);
}

/** The same source `count` times, for several candidates of one prompt: the encoder does not run again. */
export function repeatSource(model: Model, encoded: Encoded, count: number): Encoded {
  if (count === 1) return encoded;
  // the lean graphs repeat one source themselves
  if (model.lean !== undefined) return { ...encoded, batch: count };
  const hidden = encoded.states[DECODER_INPUTS.encoderHiddenStates];
  if (hidden === undefined) throw new TypeError("no encoder states");
  const [, length = 0, width = 0] = hidden.dims;
  const one = model.runtime.readFloat32(hidden);
  const all = new Float32Array(count * one.length);
  for (let row = 0; row < count; row++) all.set(one, row * one.length);
  return {
    batch: count,
    states: { [DECODER_INPUTS.encoderHiddenStates]: model.runtime.float32(all, [count, length, width]) },
    mask: model.runtime.int64(new Array<number>(count * length).fill(1), [count, length]),
  };
}

/** Names of the cache's parts, as they go in and as they come out grown. */
export function cacheNames(config: T5Config, sides: readonly CacheSide[]): { past: string; present: string }[] {
  const layers = Array.from({ length: config.numDecoderLayers }, (_, layer) => layer);
  const parts = ["key", "value"] as const;
  return layers.flatMap((layer) =>
    sides.flatMap((side) =>
      parts.map((part) => ({ past: pastName(layer, side, part), present: presentName(layer, side, part) })),
    ),
  );
}

/** The sides of the cache that the first step of the decoder makes. */
function newSides({ lean }: Model): CacheSide[] {
  return lean === undefined ? ["decoder", "encoder"] : ["decoder"];
}

/** The past before the first position. */
export function emptyCache(model: Model, batch: number): Cache {
  const { numHeads, dKv } = model.config;
  const empty = model.runtime.float32(new Float32Array(0), [batch, numHeads, 0, dKv]);
  return new Map(cacheNames(model.config, newSides(model)).map(({ past }) => [past, empty]));
}

/** What the decoder reads in one run. */
export interface DecoderInput {
  /** [B * T], T positions a row. */
  inputIds: readonly number[];
  /** [B], how many positions of the past are each row's. */
  pastLengths: readonly number[];
  /** [B, S], or [1, S] where one source serves all rows of the lean form. */
  mask: Value;
  /** Sources and past, by input name. */
  states: Readonly<Record<string, Value>>;
}

function decoderFeeds(model: Model, { inputIds, pastLengths, mask, states }: DecoderInput): Record<string, Value> {
  const batch = pastLengths.length;
  const positions = inputIds.length / batch;
  return {
    ...tokenInput(model, inputIds, [batch, positions]),
    ...adapterInput(model),
    ...lengthInputs(model, pastLengths, positions),
    [DECODER_INPUTS.encoderAttentionMask]: mask,
    ...states,
  };
}

/** The input of rows of one length. */
function evenInput(model: Model, encoded: Encoded, inputIds: readonly number[], cache?: Cache): DecoderInput {
  const past = cache ?? emptyCache(model, encoded.batch);
  return {
    inputIds,
    pastLengths: new Array<number>(encoded.batch).fill(pastLength(past)),
    mask: encoded.mask,
    states: { ...encoded.states, ...Object.fromEntries(past) },
  };
}

/** Positions that a cache holds. */
function pastLength(cache: Cache): number {
  return cache.get(pastName(0, "decoder", "key"))?.dims[2] ?? 0;
}

/** Where each row of the decoder goes on from, for graphs whose rows have lengths of their own. */
function lengthInputs(
  { manifest, lean, runtime }: Model,
  pastLengths: readonly number[],
  newPositions: number,
): Record<string, Value> {
  if (lean === undefined || manifest.rows === undefined) return {};
  return {
    [LEAN.pastLengths]: runtime.int64(pastLengths, [pastLengths.length]),
    [LEAN.totalLength]: runtime.int64([Math.max(...pastLengths) + newPositions], []),
  };
}

/** Logits [B, V] at the first decoder position; nothing is kept for a second one. */
export async function firstLogits(model: Model, encoded: Encoded): Promise<Float32Array> {
  return allLogits(model, encoded, new Array<number>(encoded.batch).fill(model.config.decoderStartTokenId));
}

/** Logits [B, T, V] of whole decoder rows: `inputIds` [B * T], rows of one length. Nothing is kept for later positions. */
export async function allLogits(model: Model, encoded: Encoded, inputIds: readonly number[]): Promise<Float32Array> {
  return (await decoderOutputs(model, evenInput(model, encoded, inputIds), [])).logits;
}

/**
 * Logits [positions.length, ids.length] of some ids at some of the places of `inputIds` [B * T]. In the lean form, whose head is a graph of
 * its own, it runs at these places alone, so many at a time that `maxLogits` are held.
 */
export async function logitsAt(
  model: Model,
  encoded: Encoded,
  inputIds: readonly number[],
  { positions, ids, maxLogits }: { positions: readonly number[]; ids: readonly number[]; maxLogits: number },
): Promise<Float32Array> {
  const { lean, runtime, config } = model;
  if (lean === undefined) {
    return cells(await allLogits(model, encoded, inputIds), config.vocabSize, { rows: positions, columns: ids });
  }
  const feeds = decoderFeeds(model, evenInput(model, encoded, inputIds));
  const [hidden] = await model.decoder.run(feeds, [LEAN.hiddenStates]);
  if (hidden === undefined) throw new TypeError("the decoder returned nothing");
  const columns = Array.from({ length: config.dModel }, (_, at) => at);
  const states = cells(runtime.readFloat32(hidden), config.dModel, { rows: positions, columns });
  runtime.free([hidden]);
  const out = new Float32Array(positions.length * ids.length);
  const atOnce = Math.max(1, Math.floor(maxLogits / config.vocabSize));
  for (let start = 0; start < positions.length; start += atOnce) {
    const some = states.slice(start * config.dModel, (start + atOnce) * config.dModel);
    const rows = Array.from({ length: some.length / config.dModel }, (_, row) => row);
    const asked = runtime.float32(some, [1, rows.length, config.dModel]);
    const [logits] = await lean.head.run({ [LEAN.hiddenStates]: asked }, [LOGITS]);
    if (logits === undefined) throw new TypeError("the head returned nothing");
    out.set(cells(runtime.readFloat32(logits), config.vocabSize, { rows, columns: ids }), start * ids.length);
    runtime.free([logits]);
  }
  return out;
}

/** Some rows and columns of a matrix `[rows, width]`. */
function cells(
  values: Float32Array,
  width: number,
  { rows, columns }: { rows: readonly number[]; columns: readonly number[] },
): Float32Array {
  return Float32Array.from(rows.flatMap((row) => columns.map((column) => values[row * width + column] ?? Number.NaN)));
}

/** One run of the decoder: logits [B, T, V] and the outputs named in `fetches`, those of `into` in the memory named there. */
export async function decoderOutputs(
  model: Model,
  input: DecoderInput,
  fetches: readonly string[],
  into?: Readonly<Record<string, Value>>,
): Promise<{ logits: Float32Array; outputs: Value[] }> {
  const { decoder, lean, runtime } = model;
  const feeds = decoderFeeds(model, input);
  const names = [lean === undefined ? LOGITS : LEAN.hiddenStates, ...fetches];
  const [first, ...outputs] = await decoder.run(feeds, names, into);
  if (first === undefined) throw new TypeError("the decoder returned nothing");
  const [logits = first] = lean === undefined ? [] : await lean.head.run({ [LEAN.hiddenStates]: first }, [LOGITS]);
  const read = runtime.readFloat32(logits);
  runtime.free(logits === first ? [first] : [first, logits]);
  return { logits: read, outputs };
}

/**
 * One decoder step: `inputIds` [B * T] in (T positions a row, one when generating), logits [B, T, V] and the grown cache out, which
 * takes the place of the given one. Without a cache it is the first step.
 */
export async function decodeStep(
  model: Model,
  encoded: Encoded,
  inputIds: readonly number[],
  cache?: Cache,
): Promise<{ logits: Float32Array; cache: Cache }> {
  const names = cacheNames(model.config, cache === undefined ? newSides(model) : ["decoder"]);
  const present = names.map((name) => name.present);
  const { logits, outputs } = await decoderOutputs(model, evenInput(model, encoded, inputIds, cache), present);
  const grown = new Map(cache);
  for (const [index, { past }] of names.entries()) {
    const [before, value] = [grown.get(past), outputs[index]];
    if (before !== undefined) model.runtime.free([before]);
    if (value !== undefined) grown.set(past, value);
  }
  return { logits, cache: grown };
}
