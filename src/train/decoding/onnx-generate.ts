// Fast batched decoding on onnxruntime, greedy or sampled, of a model folder or of parameters in memory. onnxruntime comes with npm on
// every platform, so decoding is equally fast whichever backend trains. Greedy ids are those of generate.ts.

import { InputError } from "../../shared/errors.ts";
import type { SamplingOptions } from "../../shared/sampling.ts";
import type { T5Config } from "../../shared/t5-config.ts";
import { type DecodeRow, decodeRows } from "./decode-rows.ts";
import { writeDecoderFiles } from "./decoder-files.ts";
import { openDecoderSessions } from "./decoder-sessions.ts";
import type { GeneratorSource } from "./weight-source.ts";

export interface OnnxGenerateOptions {
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
  /** Hears of finished prompts. */
  onProgress?: (done: number) => void;
  /** Heard between batches: decoding then ends with InputError `interrupted`. */
  signal?: AbortSignal;
}

export interface OnnxGenerator {
  readonly config: T5Config;
  /** Token ids of each prompt's completions, EOS kept as the last id of one that ended by itself. */
  generate(inputIds: readonly (readonly number[])[], options: OnnxGenerateOptions): Promise<number[][][]>;
  dispose(): Promise<void>;
}

export const GREEDY: SamplingOptions = { doSample: false, temperature: 1, topK: 0, topP: 1 };

/**
 * Opens a generator. Throws ArtifactError or ShapeError for a folder that is not a T5. The caller disposes.
 * `threads`: of onnxruntime; default 1.
 */
export async function openOnnxGenerator(
  source: GeneratorSource,
  options: { threads?: number } = {},
): Promise<OnnxGenerator> {
  const files = await writeDecoderFiles(source);
  const { config } = files;
  const sessions = await openDecoderSessions(files.dir, config, options.threads ?? 1).catch(async (error: unknown) => {
    await files.remove();
    throw error;
  });
  return {
    config,
    async generate(inputIds, request) {
      const { samples = 1, sampling = GREEDY, seed = 42, onProgress, signal } = request;
      const completions: number[][][] = inputIds.map(() => []);
      let done = 0;
      for (const batch of promptBatches(inputIds, request)) {
        if (signal?.aborted) throw interrupted(done, inputIds.length);
        const rows = batch.flatMap((p) =>
          Array.from(
            { length: samples },
            (_, sample): DecodeRow => ({
              promptIds: inputIds[p] ?? [],
              prefixIds: request.prefixes?.[p] ?? [],
              stream: request.streams?.[p] ?? p,
              sample,
            }),
          ),
        );
        const decoded = await decodeRows(sessions, config, rows, {
          maxNewTokens: request.maxNewTokens,
          sampling,
          seed,
        });
        batch.forEach((p, i) => {
          completions[p] = decoded.slice(i * samples, (i + 1) * samples);
        });
        done += batch.length;
        onProgress?.(done);
      }
      return completions;
    },
    async dispose() {
      await sessions.release();
      await files.remove();
    },
  };
}

/** Prompt indices in batches of similar length. */
function promptBatches(inputIds: readonly (readonly number[])[], options: OnnxGenerateOptions): number[][] {
  const { samples = 1, batchSize = 64, prefixes } = options;
  const size = (p: number): number => (inputIds[p]?.length ?? 0) + (prefixes?.[p]?.length ?? 0) * 1000;
  const order = inputIds.map((_, p) => p).sort((a, b) => size(a) - size(b) || a - b);
  const perBatch = Math.max(1, Math.floor(batchSize / samples));
  return Array.from({ length: Math.ceil(order.length / perBatch) }, (_, i) =>
    order.slice(i * perBatch, (i + 1) * perBatch),
  );
}

function interrupted(done: number, total: number): InputError {
  return new InputError({
    code: "interrupted",
    what: `stopped after ${done} of ${total} prompts`,
    fix: "Run it again.",
  });
}
