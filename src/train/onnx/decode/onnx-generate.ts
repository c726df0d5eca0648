// Fast batched decoding of a model folder on onnxruntime, greedy or sampled: the trainer's one decoder. onnxruntime comes with npm on every
// platform, so decoding is equally fast whichever backend trains.

import { availableParallelism } from "node:os";
import { CapacityError, InputError } from "../../../shared/errors.ts";
import type { SamplingOptions } from "../../../shared/sampling.ts";
import type { T5Config } from "../../../shared/t5-config.ts";
import type { DecodeRow } from "./decode-rows.ts";
import { type Decoder, openDecoder, startDecoderProcess } from "./decoder.ts";
import { type DecoderFiles, writeDecoderFiles } from "./decoder-files.ts";

export interface OnnxGenerateOptions {
  /** Most new tokens, the prefix not counted. */
  maxNewTokens: number;
  /** Completions of each prompt. Default 1. */
  samples?: number;
  /** Default greedy. */
  sampling?: SamplingOptions;
  /** Default 42. */
  seed?: number;
  /** Rows (prompts x samples) decoded together. Default 64. */
  batchSize?: number;
  /** Tokens that every completion of a prompt starts with, a list a prompt; they are not part of the result. */
  prefixes?: readonly (readonly number[])[];
  /** Number of each prompt's random stream; default its index. */
  streams?: readonly number[];
  /** A completion also ends after any of these tokens. */
  stopTokenIds?: readonly number[];
  /** Hears of finished prompts. */
  onProgress?: (done: number) => void;
  /** Heard between batches: decoding then ends with CapacityError `interrupted`. */
  signal?: AbortSignal;
}

export interface OnnxGenerator {
  readonly config: T5Config;
  /**
   * Token ids of each prompt's completions, EOS (or a stop token) kept as the last id of one that ended by itself. A sample follows from
   * seed, stream and its number alone. Throws InputError for no samples. One call at a time.
   */
  generate(inputIds: readonly (readonly number[])[], options: OnnxGenerateOptions): Promise<number[][][]>;
  dispose(): Promise<void>;
}

export interface OnnxGeneratorOptions {
  /** Threads of onnxruntime in each process. Default 1: processes gain more. */
  threads?: number;
  /** Processes that decode, this one included; the others start when there is work for them. Default: the cores (at most 4) by `threads`. */
  processes?: number;
}

export const GREEDY: SamplingOptions = { doSample: false, temperature: 1, topK: 0, topP: 1 };

/** With fewer batches than this for each process, starting one takes longer than it saves. */
const BATCHES_A_PROCESS = 2;

/** Opens a generator of a model or adapter folder. Throws ArtifactError or ShapeError for one that is not a T5. The caller disposes. */
export async function openOnnxGenerator(modelDir: string, options: OnnxGeneratorOptions = {}): Promise<OnnxGenerator> {
  const { threads = 1 } = options;
  const { processes = Math.max(1, Math.floor(Math.min(4, availableParallelism()) / threads)) } = options;
  const files: DecoderFiles = await writeDecoderFiles(modelDir);
  const { dir, config } = files;
  const decoders: Decoder[] = [];
  try {
    decoders.push(await openDecoder(dir, config, threads));
  } catch (error) {
    await files.remove();
    throw error;
  }
  return {
    config,
    async generate(inputIds, request) {
      const { samples = 1, onProgress, signal } = request;
      checkSamples(samples);
      const batches = promptBatches(inputIds, request);
      const wanted = Math.min(processes, Math.floor(batches.length / BATCHES_A_PROCESS));
      while (decoders.length < wanted) decoders.push(startDecoderProcess(dir, config, threads));
      const completions: number[][][] = inputIds.map(() => []);
      let next = 0;
      let done = 0;
      let failed = false;
      const work = async (decoder: Decoder): Promise<void> => {
        for (let batch = batches[next++]; batch !== undefined && !failed; batch = batches[next++]) {
          if (signal?.aborted) throw interrupted(done, inputIds.length);
          const rows = batch.flatMap((p) => promptRows(p, inputIds[p] ?? [], request));
          const decoded = await decoder.decode(rows, decodeOptions(request));
          batch.forEach((p, i) => {
            completions[p] = decoded.slice(i * samples, (i + 1) * samples);
          });
          done += batch.length;
          onProgress?.(done);
        }
      };
      // the processes beside this one first: this one's arithmetic blocks it
      const working = decoders.toReversed().map((decoder) =>
        work(decoder).catch((error: unknown) => {
          failed = true;
          throw error;
        }),
      );
      await Promise.allSettled(working);
      await Promise.all(working);
      return completions;
    },
    async dispose() {
      for (const decoder of decoders) await decoder.close();
      await files.remove();
    },
  };
}

/** Greedy completions of a model folder, a row of ids a prompt: a generator for them alone. */
export async function completeGreedily(
  modelDir: string,
  inputIds: readonly (readonly number[])[],
  options: Pick<OnnxGenerateOptions, "maxNewTokens" | "signal">,
): Promise<number[][]> {
  const generator = await openOnnxGenerator(modelDir);
  try {
    return (await generator.generate(inputIds, options)).flat();
  } finally {
    await generator.dispose();
  }
}

function checkSamples(samples: number): void {
  if (Number.isInteger(samples) && samples >= 1) return;
  const fix = "Ask for at least 1 sample a prompt.";
  throw new InputError({ code: "no_samples", what: `cannot write ${samples} completions of a prompt`, fix });
}

function promptRows(p: number, promptIds: readonly number[], options: OnnxGenerateOptions): DecodeRow[] {
  const { samples = 1, prefixes, streams } = options;
  const row = { promptIds, prefixIds: prefixes?.[p] ?? [], stream: streams?.[p] ?? p };
  return Array.from({ length: samples }, (_, sample) => ({ ...row, sample }));
}

function decodeOptions({ maxNewTokens, sampling = GREEDY, seed = 42, stopTokenIds = [] }: OnnxGenerateOptions) {
  return { maxNewTokens, sampling, seed, stopTokenIds };
}

/** Prompt indices in batches of similar length; of prompts with prefixes, the length of the prefix counts first. */
function promptBatches(inputIds: readonly (readonly number[])[], options: OnnxGenerateOptions): number[][] {
  const { samples = 1, batchSize = 64, prefixes } = options;
  const prefix = (p: number): number => prefixes?.[p]?.length ?? 0;
  const length = (p: number): number => inputIds[p]?.length ?? 0;
  const order = inputIds.map((_, p) => p).sort((a, b) => prefix(a) - prefix(b) || length(a) - length(b) || a - b);
  const perBatch = Math.max(1, Math.floor(batchSize / samples));
  return Array.from({ length: Math.ceil(order.length / perBatch) }, (_, i) =>
    order.slice(i * perBatch, (i + 1) * perBatch),
  );
}

function interrupted(done: number, total: number): CapacityError {
  const what = `stopped after ${done} of ${total} prompts`;
  return new CapacityError({ code: "interrupted", what, fix: "Run it again." });
}
