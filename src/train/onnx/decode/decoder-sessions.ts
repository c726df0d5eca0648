// The decoding graphs in onnxruntime: prompts in once, then a token a row at a time.

import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { ArtifactError, ShapeError } from "../../../shared/errors.ts";
import type { T5Config } from "../../../shared/t5-config.ts";
import { newName, PARTS, pastName } from "../t5/decoder-graphs.ts";
import { createRowCache } from "./row-cache.ts";
import { gatherRows, idsTensor, paddedPrompts } from "./rows.ts";

type Named = Record<string, ort.Tensor>;

export const DECODER_FILES = { encoder: "encoder.onnx", cross: "cross.onnx", step: "step.onnx" } as const;

export interface DecoderSessions {
  /** Starts rows of decoding: `owners[r]` is the prompt (an index into `prompts`) of row r; `maxLength` bounds the positions. */
  start(prompts: readonly (readonly number[])[], owners: readonly number[], maxLength: number): Promise<RowDecoder>;
  release(): Promise<void>;
}

export interface RowDecoder {
  /** Feeds T tokens a row (the same T for all) and returns the next token's logits, `[B, V]` row-major. */
  step(tokens: readonly (readonly number[])[]): Promise<Float32Array>;
  /** Goes on with only these rows (ascending). */
  keep(rows: readonly number[]): void;
}

/** Loads the graphs of a folder. Throws ArtifactError when onnxruntime refuses one. The caller releases. */
export async function openDecoderSessions(dir: string, config: T5Config, threads: number): Promise<DecoderSessions> {
  const opened: ort.InferenceSession[] = [];
  const open = async (file: string): Promise<ort.InferenceSession> => {
    const path = join(dir, file);
    try {
      // lengths change at every step: remembered allocation plans would only pile up
      const options = { intraOpNumThreads: threads, interOpNumThreads: 1, enableMemPattern: false };
      const session = await ort.InferenceSession.create(path, options);
      opened.push(session);
      return session;
    } catch (cause) {
      throw new ArtifactError({ code: "bad_onnx", what: "onnxruntime cannot load the graph", where: path, cause });
    }
  };
  const release = async (): Promise<void> => {
    for (const session of opened) await session.release();
  };
  try {
    const encoder = await open(DECODER_FILES.encoder);
    const cross = await open(DECODER_FILES.cross);
    const step = await open(DECODER_FILES.step);
    return {
      async start(prompts, owners, maxLength) {
        const { ids, mask } = paddedPrompts(prompts, config.padTokenId);
        const encoded = await encoder.run({ input_ids: ids, attention_mask: mask });
        const memory = await cross.run({ hidden: output(encoded, "last_hidden_state") });
        const fixed: Named = { attention_mask: gatherRows(mask, owners) };
        for (const name of cross.outputNames) fixed[name] = gatherRows(output(memory, name), owners);
        return createRowDecoder(step, config, { fixed, rows: owners.length, maxLength });
      },
      release,
    };
  } catch (error) {
    await release();
    throw error;
  }
}

function output(results: ort.InferenceSession.OnnxValueMapType, name: string): ort.Tensor {
  const value = results[name];
  if (value === undefined) throw new ArtifactError({ code: "bad_onnx", what: `the graph has no output "${name}"` });
  return value;
}

function floats(tensor: ort.Tensor): Float32Array {
  if (!(tensor.data instanceof Float32Array)) throw new TypeError(`tensor of ${tensor.type}, not float32`);
  return tensor.data;
}

function createRowDecoder(
  session: ort.InferenceSession,
  config: T5Config,
  start: { fixed: Named; rows: number; maxLength: number },
): RowDecoder {
  const caches = Array.from({ length: config.numDecoderLayers }, (_, layer) =>
    PARTS.map((part) => ({ layer, part, cache: createRowCache(config, start.rows, start.maxLength) })),
  ).flat();
  let { fixed, rows } = start;
  let past = 0;
  return {
    async step(tokens) {
      const count = tokens[0]?.length ?? 0;
      if (tokens.length !== rows || past + count > start.maxLength) {
        const what = `${tokens.length} rows up to position ${past + count}, not ${rows} rows up to ${start.maxLength}`;
        throw new ShapeError({ code: "bad_step", what, where: "decoder step" });
      }
      const feeds: Named = { ...fixed, input_ids: idsTensor(tokens) };
      feeds.past_length = new ort.Tensor("int64", BigInt64Array.of(BigInt(past)), [1]);
      for (const { layer, part, cache } of caches) {
        const { data, dims } = cache.values();
        feeds[pastName(layer, part)] = new ort.Tensor("float32", data, dims);
      }
      const results = await session.run(feeds);
      for (const { layer, part, cache } of caches) cache.append(floats(output(results, newName(layer, part))), count);
      past += count;
      return floats(output(results, "logits"));
    },
    keep(kept) {
      fixed = Object.fromEntries(Object.entries(fixed).map(([name, tensor]) => [name, gatherRows(tensor, kept)]));
      for (const { cache } of caches) cache.keep(kept);
      rows = kept.length;
    },
  };
}
