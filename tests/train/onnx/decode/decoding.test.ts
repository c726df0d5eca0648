// Decoding through the key/value cache says what one whole pass says; PyTorch's greedy ids are in parity.test.ts.

import { beforeAll, describe, expect, test } from "vitest";
import { createRng } from "../../../../src/shared/rng.ts";
import { argmax } from "../../../../src/shared/sampling.ts";
import { decoderRows, padRows } from "../../../../src/train/model/batch.ts";
import { createCachedDecoder } from "../../../../src/train/model/decode/cached-decoder.ts";
import { generate } from "../../../../src/train/model/decode/generate.ts";
import { product } from "../../../../src/train/model/layers.ts";
import { decode, encode, head } from "../../../../src/train/model/t5.ts";
import { loadModel, type Model } from "../../../../src/train/store/model-folder.ts";
import { startTensorflow, tf } from "../../../../src/train/tensorflow/tensorflow.ts";
import { GOLDEN_MODELS, goldenDir } from "../../checks/parity/models.ts";

beforeAll(async () => {
  await startTensorflow();
});

const prompts = [Array.from({ length: 30 }, (_, i) => ((i * 7) % 70) + 3), [12, 40, 7, 1], [33, 1]];
/** Continuations of one length, long enough to reach the logarithmic position buckets. */
const labels = prompts.map((_, row) => Array.from({ length: 40 }, (_, i) => ((i * 13 + row * 5) % 70) + 3));

describe.each(GOLDEN_MODELS)("%s", (name) => {
  test("teacher-forced steps through the cache give the logits and the next tokens of one uncached pass", async () => {
    const { parameters: p, config } = await loadModel(goldenDir(name));
    const inputs = decoderRows(labels, config);
    tf.engine().startScope();
    const encoded = encode(p, config, padRows(prompts, config.padTokenId));
    const whole = product(
      decode(p, config, encoded, padRows(inputs, config.padTokenId)),
      head(p),
      false,
      true,
    ).dataSync();
    const decoder = createCachedDecoder(p, config, encoded);
    let gap = 0;
    for (let t = 0; t < 40; t++) {
      const step = decoder.step(inputs.map((row) => row[t] ?? 0));
      inputs.forEach((_, r) => {
        const cached = step.subarray(r * config.vocabSize, (r + 1) * config.vocabSize);
        const uncached = whole.subarray((r * 40 + t) * config.vocabSize, (r * 40 + t + 1) * config.vocabSize);
        cached.forEach((value, v) => {
          gap = Math.max(gap, Math.abs(value - (uncached[v] ?? Number.NaN)));
        });
        expect(argmax(cached)).toBe(argmax(uncached));
      });
    }
    decoder.dispose();
    tf.engine().endScope();
    expect(gap).toBeLessThan(1e-4);
  });
});

describe("generate", () => {
  let model: Model;
  beforeAll(async () => {
    model = await loadModel(goldenDir("t5-v1.1"));
  });
  const run = (options: Partial<Parameters<typeof generate>[3]>): number[][] =>
    generate(model.parameters, model.config, prompts, { maxNewTokens: 12, ...options });

  test("keeps the order of the prompts, whatever the batch size", () => {
    expect(run({ batchSize: 1 })).toEqual(run({ batchSize: 3 }));
    expect(run({ batchSize: 2 })).toEqual(run({ batchSize: 3 }));
  });

  test("ends a completion at EOS and lets the others go on", () => {
    const config = { ...model.config, eosTokenId: run({})[0]?.[2] ?? 0 };
    const rows = generate(model.parameters, config, prompts, { maxNewTokens: 12 });
    expect(rows[0]?.at(-1)).toBe(config.eosTokenId);
    for (const row of rows) {
      const end = row.indexOf(config.eosTokenId);
      expect(row).toHaveLength(end < 0 ? 12 : end + 1);
    }
  });

  test("samples the same tokens from the same seed, others from another", () => {
    const sample = (seed: number): number[][] => run({ doSample: true, rng: createRng(seed) });
    expect(sample(1)).toEqual(sample(1));
    expect(sample(1)).not.toEqual(sample(2));
  });

  test("sampling the likeliest token alone is greedy decoding", () => {
    expect(run({ doSample: true, topK: 1 })).toEqual(run({}));
  });

  test("reports progress and leaves no tensor behind", () => {
    const before = tf.memory().numTensors;
    const done: number[] = [];
    run({ batchSize: 2, onProgress: (count) => done.push(count) });
    expect(done).toEqual([2, 3]);
    expect(tf.memory().numTensors).toBe(before);
  });
});
