// Runs exported files through onnxruntime-node: the judge of the export (here, in tests and in parity checks).

import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { ArtifactError } from "../../../shared/errors.ts";
import {
  DECODER_INPUTS,
  type Dtype,
  ENCODER_INPUTS,
  ENCODER_OUTPUT,
  LOGITS,
  onnxFile,
} from "../../../shared/onnx-names.ts";

/** Row-major float values and their shape. */
export interface FloatTensor {
  data: Float32Array;
  dims: readonly number[];
}

/** Encoded prompts: what every decoder step is given. */
export interface Encoded {
  hidden: ort.Tensor;
  mask: ort.Tensor;
}

/** Keys and values of the positions decoded so far, by past input name. */
export type Cache = Readonly<Record<string, ort.Tensor>>;

export interface OnnxT5 {
  /** Prompts as token ids, padded here with `padTokenId` to one length. */
  encode(prompts: readonly (readonly number[])[]): Promise<Encoded>;
  /** Logits `[B, T, V]` of decoder rows of equal length T, and the grown cache; without `cache` it is the first step. */
  decode(
    encoded: Encoded,
    rows: readonly (readonly number[])[],
    cache?: Cache,
  ): Promise<{ logits: FloatTensor; cache: Cache }>;
  dispose(): Promise<void>;
}

/** Loads encoder and decoder of one dtype. Throws ArtifactError when onnxruntime refuses a file. The caller disposes. */
export async function openOnnxT5(modelDir: string, dtype: Dtype, padTokenId = 0): Promise<OnnxT5> {
  const encoder = await openSession(join(modelDir, onnxFile("encoder_model", dtype)));
  const decoder = await openSession(join(modelDir, onnxFile("decoder_model_merged", dtype))).catch(
    async (error: unknown) => {
      await encoder.release();
      throw error;
    },
  );
  return {
    async encode(prompts) {
      const width = Math.max(...prompts.map((row) => row.length));
      const pad = (row: readonly number[], filler: number): number[] =>
        Array.from({ length: width }, (_, i) => row[i] ?? filler);
      const mask = int64(
        prompts.map((row) =>
          pad(
            row.map(() => 1),
            0,
          ),
        ),
      );
      const feeds = {
        [ENCODER_INPUTS.inputIds]: int64(prompts.map((row) => pad(row, padTokenId))),
        [ENCODER_INPUTS.attentionMask]: mask,
      };
      return { hidden: output(await encoder.run(feeds), ENCODER_OUTPUT), mask };
    },
    async decode(encoded, rows, cache) {
      const results = await decoder.run({
        [DECODER_INPUTS.inputIds]: int64(rows),
        [DECODER_INPUTS.encoderAttentionMask]: encoded.mask,
        [DECODER_INPUTS.encoderHiddenStates]: encoded.hidden,
        ...(cache ?? emptyCache(decoder, rows.length)),
      });
      return { logits: floats(output(results, LOGITS)), cache: grownCache(decoder, results) };
    },
    async dispose() {
      await encoder.release();
      await decoder.release();
    },
  };
}

/** The values of a float32 tensor of onnxruntime. */
export function floats(tensor: ort.Tensor): FloatTensor {
  if (!(tensor.data instanceof Float32Array)) throw new TypeError(`tensor of ${tensor.type}, not float32`);
  return { data: tensor.data, dims: tensor.dims };
}

async function openSession(path: string): Promise<ort.InferenceSession> {
  try {
    // a few threads at most: the check shares the machine with whatever runs beside it
    return await ort.InferenceSession.create(path, { intraOpNumThreads: 2, interOpNumThreads: 1 });
  } catch (cause) {
    const fix = "Export the model again: npm run export -- --model DIR.";
    throw new ArtifactError({ code: "bad_onnx", what: "onnxruntime cannot load the graph", where: path, fix, cause });
  }
}

function int64(rows: readonly (readonly number[])[]): ort.Tensor {
  return new ort.Tensor("int64", BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0]?.length ?? 0]);
}

function output(results: ort.InferenceSession.OnnxValueMapType, name: string): ort.Tensor {
  const value = results[name];
  if (value === undefined) throw new ArtifactError({ code: "bad_onnx", what: `the graph has no output "${name}"` });
  return value;
}

const PAST = "past_key_values.";

/** Heads and head width are fixed numbers in the graph's inputs; batch is the caller's; the rest is empty. */
function emptyCache(decoder: ort.InferenceSession, batch: number): Cache {
  const cache: Record<string, ort.Tensor> = {};
  for (const input of decoder.inputMetadata) {
    if (!input.name.startsWith(PAST) || !input.isTensor) continue;
    const [, heads, , width] = input.shape;
    cache[input.name] = new ort.Tensor("float32", new Float32Array(0), [batch, Number(heads), 0, Number(width)]);
  }
  return cache;
}

function grownCache(decoder: ort.InferenceSession, results: ort.InferenceSession.OnnxValueMapType): Cache {
  const past = decoder.inputNames.filter((name) => name.startsWith(PAST));
  return Object.fromEntries(past.map((name) => [name, output(results, name.replace(PAST, "present."))]));
}
