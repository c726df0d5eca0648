// Greedy and sampled decoding of prompts in batches of similar length.

import { createRng, type Rng } from "../../../shared/rng.ts";
import { type SamplingOptions, sampleToken } from "../../../shared/sampling.ts";
import type { T5Config } from "../../../shared/t5-config.ts";
import { type Tensor2D, type Tensor4D, tf } from "../../tensorflow/tensorflow.ts";
import { padRows } from "../batch.ts";
import type { Parameters } from "../parameters.ts";
import { encode } from "../t5.ts";
import type { Encoded } from "../token-batch.ts";
import { createCachedDecoder } from "./cached-decoder.ts";

export interface GenerateOptions extends Partial<SamplingOptions> {
  maxNewTokens: number;
  /** Prompts decoded together. Default 32. */
  batchSize?: number;
  /** Random numbers for sampling; default seeded with 42. */
  rng?: Rng;
  onProgress?: (done: number) => void;
}

const GREEDY: SamplingOptions = { doSample: false, temperature: 1, topK: 0, topP: 1 };

/** The encoder's outputs, which the caller disposes. */
function encodeKept(p: Parameters, config: T5Config, inputIds: readonly (readonly number[])[]): Encoded {
  let shape = { batch: 0, length: 0 };
  const [hidden, maskBias] = tf.tidy(() => {
    const encoded = encode(p, config, padRows(inputIds, config.padTokenId));
    shape = { batch: encoded.batch, length: encoded.length };
    return [encoded.hidden, encoded.maskBias] as [Tensor2D, Tensor4D];
  });
  return { hidden, maskBias, ...shape };
}

function generateBatch(
  p: Parameters,
  config: T5Config,
  inputIds: readonly (readonly number[])[],
  options: GenerateOptions,
): number[][] {
  const sampling: SamplingOptions = { ...GREEDY, ...options };
  const rng = options.rng ?? createRng(42);
  const encoded = encodeKept(p, config, inputIds);
  const decoder = createCachedDecoder(p, config, encoded);
  try {
    const rows: number[][] = inputIds.map(() => []);
    const open = inputIds.map(() => true);
    let tokens = inputIds.map(() => config.decoderStartTokenId);
    for (let t = 0; t < options.maxNewTokens && open.includes(true); t++) {
      const logits = decoder.step(tokens);
      tokens = tokens.map((_, r) => {
        if (!open[r]) return config.padTokenId;
        const token = sampleToken(logits.subarray(r * config.vocabSize, (r + 1) * config.vocabSize), sampling, () =>
          rng.next(),
        );
        rows[r]?.push(token);
        if (token === config.eosTokenId) open[r] = false;
        return token;
      });
    }
    return rows;
  } finally {
    decoder.dispose();
    tf.dispose([encoded.hidden, encoded.maskBias]);
  }
}

/** Completions as token ids, in the order of the prompts; EOS is kept as the last id of a completion that ended by itself. */
export function generate(
  p: Parameters,
  config: T5Config,
  inputIds: readonly (readonly number[])[],
  options: GenerateOptions,
): number[][] {
  const order = inputIds.map((_, i) => i).sort((a, b) => (inputIds[a]?.length ?? 0) - (inputIds[b]?.length ?? 0));
  const batchSize = options.batchSize ?? 32;
  const completions: number[][] = inputIds.map(() => []);
  for (let start = 0; start < order.length; start += batchSize) {
    const indices = order.slice(start, start + batchSize);
    const rows = generateBatch(
      p,
      config,
      indices.map((i) => inputIds[i] ?? []),
      options,
    );
    indices.forEach((i, r) => {
      completions[i] = rows[r] ?? [];
    });
    options.onProgress?.(Math.min(order.length, start + batchSize));
  }
  return completions;
}
