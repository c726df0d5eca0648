// The decoding graphs in onnxruntime: prompts in once, then a token a row at a time.
// The self-attention cache lives in two pools that take turns as input and output, so that no step allocates one.

import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { ArtifactError, ShapeError } from "../../shared/errors.ts";
import type { T5Config } from "../../shared/t5-config.ts";
import { DECODER_FILES } from "./decoder-files.ts";
import { pastName, presentName } from "./decoder-graphs.ts";
import { gatherRows, idsTensor, paddedPrompts } from "./rows.ts";

type Named = Record<string, ort.Tensor>;
const PARTS = ["key", "value"] as const;

export interface DecoderSessions {
  /** Starts rows of decoding: `owners[r]` is the prompt (an index into `prompts`) of row r; `maxLength` bounds the positions. */
  start(prompts: readonly (readonly number[])[], owners: readonly number[], maxLength: number): Promise<RowDecoder>;
  release(): Promise<void>;
}

export interface RowDecoder {
  /** Feeds T tokens a row (the same T for all) and returns the next token's logits, `[B, V]` row-major. */
  step(tokens: readonly (readonly number[])[]): Promise<Float32Array>;
  /** Goes on with these rows alone, in this order. */
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

function createRowDecoder(
  session: ort.InferenceSession,
  config: T5Config,
  start: { fixed: Named; rows: number; maxLength: number },
): RowDecoder {
  const { numHeads, dKv, numDecoderLayers, vocabSize } = config;
  const rowSize = numHeads * start.maxLength * dKv;
  const slots = Array.from({ length: numDecoderLayers }, (_, layer) => PARTS.map((part) => ({ layer, part }))).flat();
  const pools = [0, 1].map(() => slots.map(() => new Float32Array(start.rows * rowSize)));
  const logits = new Float32Array(start.rows * vocabSize);
  let { fixed, rows } = start;
  let past = 0;
  let turn = 0;

  /** The part of a pool that holds the cache of `length` positions. */
  const view = (pool: number, slot: number, length: number): ort.Tensor => {
    const size = rows * numHeads * length * dKv;
    const values = pools[pool]?.[slot]?.subarray(0, size) ?? new Float32Array(size);
    return new ort.Tensor("float32", values, [rows, numHeads, length, dKv]);
  };

  return {
    async step(tokens) {
      const grown = past + (tokens[0]?.length ?? 0);
      if (tokens.length !== rows || grown > start.maxLength) {
        const what = `${tokens.length} rows up to position ${grown}, not ${rows} rows up to ${start.maxLength}`;
        throw new ShapeError({ code: "bad_step", what, where: "decoder step" });
      }
      const feeds: Named = { ...fixed, input_ids: idsTensor(tokens) };
      const fetches: Named = {
        logits: new ort.Tensor("float32", logits.subarray(0, rows * vocabSize), [rows, 1, vocabSize]),
      };
      slots.forEach(({ layer, part }, slot) => {
        feeds[pastName(layer, part)] = view(turn, slot, past);
        fetches[presentName(layer, part)] = view(1 - turn, slot, grown);
      });
      await session.run(feeds, fetches);
      past = grown;
      turn = 1 - turn;
      return logits.subarray(0, rows * vocabSize);
    },
    keep(kept) {
      fixed = Object.fromEntries(Object.entries(fixed).map(([name, tensor]) => [name, gatherRows(tensor, kept)]));
      slots.forEach((_, slot) => {
        const gathered = gatherRows(view(turn, slot, past), kept).data;
        if (gathered instanceof Float32Array) pools[turn]?.[slot]?.set(gathered);
      });
      rows = kept.length;
    },
  };
}
