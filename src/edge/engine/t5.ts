// Running the two exported graphs: the encoder once, the decoder step by step with its key/value cache.
// Cross-attention keys and values are those of the first step; later steps feed them back and fetch only their own.
// Shape letters: B batch, S source length, H heads, K dKv, V vocabulary.

import {
  type CacheSide,
  DECODER_INPUTS,
  ENCODER_INPUTS,
  ENCODER_OUTPUT,
  LOGITS,
  pastName,
  presentName,
} from "../../shared/onnx-names.ts";
import type { T5Config } from "../../shared/t5-config.ts";
import type { Model } from "./model.ts";
import type { Value } from "./runtime.ts";

/** Sources read by the encoder. */
export interface Encoded {
  batch: number;
  /** [B, S, D] */
  hidden: Value;
  /** [B, S], 1 for real tokens. */
  mask: Value;
}

/** The decoder's past, by input name; grows by one position a step. */
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
    [ENCODER_INPUTS.inputIds]: model.runtime.int64(ids, [batch, length]),
    [ENCODER_INPUTS.attentionMask]: maskValue,
  };
  const [hidden] = await model.encoder.run(feeds, [ENCODER_OUTPUT]);
  if (hidden === undefined) throw new TypeError("the encoder returned nothing");
  return { batch, hidden, mask: maskValue };
}

/** The same source `count` times, for several candidates of one prompt: the encoder does not run again. */
export function repeatSource(model: Model, encoded: Encoded, count: number): Encoded {
  if (count === 1) return encoded;
  const [, length = 0, width = 0] = encoded.hidden.dims;
  const one = model.runtime.readFloat32(encoded.hidden);
  const all = new Float32Array(count * one.length);
  for (let row = 0; row < count; row++) all.set(one, row * one.length);
  return {
    batch: count,
    hidden: model.runtime.float32(all, [count, length, width]),
    mask: model.runtime.int64(new Array<number>(count * length).fill(1), [count, length]),
  };
}

function cacheNames(config: T5Config, sides: readonly CacheSide[]): { past: string; present: string }[] {
  const layers = Array.from({ length: config.numDecoderLayers }, (_, layer) => layer);
  const parts = ["key", "value"] as const;
  return layers.flatMap((layer) =>
    sides.flatMap((side) =>
      parts.map((part) => ({ past: pastName(layer, side, part), present: presentName(layer, side, part) })),
    ),
  );
}

function emptyCache(model: Model, batch: number): Cache {
  const { numHeads, dKv } = model.config;
  const empty = model.runtime.float32(new Float32Array(0), [batch, numHeads, 0, dKv]);
  return new Map(cacheNames(model.config, ["decoder", "encoder"]).map(({ past }) => [past, empty]));
}

function decoderFeeds(
  model: Model,
  encoded: Encoded,
  inputIds: readonly number[],
  cache: Cache,
): Record<string, Value> {
  return {
    [DECODER_INPUTS.inputIds]: model.runtime.int64(inputIds, [encoded.batch, inputIds.length / encoded.batch]),
    [DECODER_INPUTS.encoderAttentionMask]: encoded.mask,
    [DECODER_INPUTS.encoderHiddenStates]: encoded.hidden,
    ...Object.fromEntries(cache),
  };
}

/** Logits [B, V] at the first decoder position; nothing is kept for a second one. */
export async function firstLogits(model: Model, encoded: Encoded): Promise<Float32Array> {
  return allLogits(model, encoded, new Array<number>(encoded.batch).fill(model.config.decoderStartTokenId));
}

/** Logits [B, T, V] of whole decoder rows: `inputIds` [B * T], rows of one length. Nothing is kept for later positions. */
export async function allLogits(model: Model, encoded: Encoded, inputIds: readonly number[]): Promise<Float32Array> {
  const feeds = decoderFeeds(model, encoded, inputIds, emptyCache(model, encoded.batch));
  const [logits] = await model.decoder.run(feeds, [LOGITS]);
  if (logits === undefined) throw new TypeError("the decoder returned nothing");
  return model.runtime.readFloat32(logits);
}

/**
 * One decoder step: `inputIds` [B * T] in (T positions a row, one when generating), logits [B, T, V] and the grown cache out. Without a
 * cache it is the first step.
 */
export async function decodeStep(
  model: Model,
  encoded: Encoded,
  inputIds: readonly number[],
  cache?: Cache,
): Promise<{ logits: Float32Array; cache: Cache }> {
  const names = cacheNames(model.config, cache === undefined ? ["decoder", "encoder"] : ["decoder"]);
  const feeds = decoderFeeds(model, encoded, inputIds, cache ?? emptyCache(model, encoded.batch));
  const [logits, ...present] = await model.decoder.run(feeds, [LOGITS, ...names.map((name) => name.present)]);
  if (logits === undefined) throw new TypeError("the decoder returned nothing");
  const grown = new Map(cache);
  for (const [index, { past }] of names.entries()) {
    const value = present[index];
    if (value !== undefined) grown.set(past, value);
  }
  return { logits: model.runtime.readFloat32(logits), cache: grown };
}
