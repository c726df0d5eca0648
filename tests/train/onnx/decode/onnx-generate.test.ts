// Decoding on onnxruntime against what the model finds likeliest on TensorFlow.js, which is held to PyTorch's greedy ids in parity.test.ts.

import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SamplingOptions } from "../../../../src/shared/sampling.ts";
import { likeliestTokens } from "../../../../src/train/checks/parity/likeliest-tokens.ts";
import { startDecoderProcess } from "../../../../src/train/onnx/decode/decoder.ts";
import { GREEDY, type OnnxGenerator, openOnnxGenerator } from "../../../../src/train/onnx/decode/onnx-generate.ts";
import { loadModel } from "../../../../src/train/store/model-folder.ts";
import { startTensorflow, tf } from "../../../../src/train/tensorflow/tensorflow.ts";
import { GOLDEN_MODELS, goldenDir } from "../../checks/parity/models.ts";

beforeAll(async () => {
  await startTensorflow();
});

const prompts = [
  Array.from({ length: 30 }, (_, i) => ((i * 7) % 70) + 3),
  [12, 40, 7, 1],
  [33, 1],
  [5, 6, 7, 8, 9, 10, 1],
];
const SAMPLE: SamplingOptions = { doSample: true, temperature: 1, topK: 0, topP: 1 };

describe.each(GOLDEN_MODELS)("%s", (name) => {
  test("greedy ids are the likeliest on TensorFlow.js, in batches of any size", async () => {
    const model = await loadModel(goldenDir(name));
    const generator = await openOnnxGenerator(goldenDir(name), { processes: 1 });
    const rows = (await generator.generate(prompts, { maxNewTokens: 40 })).flat();
    expect(rows.map((row) => row.length)).toEqual(prompts.map(() => expect.toSatisfy((length) => length > 0)));
    expect(rows).toEqual(likeliestTokens(model, prompts, rows));
    for (const batchSize of [1, 3])
      expect((await generator.generate(prompts, { maxNewTokens: 40, batchSize })).flat()).toEqual(rows);
    await generator.dispose();
    tf.dispose(model.parameters);
  });
});

describe("a generator", () => {
  let generator: OnnxGenerator;
  beforeAll(async () => {
    generator = await openOnnxGenerator(goldenDir("t5-v1.1"), { processes: 1 });
  });
  afterAll(() => generator.dispose());

  test("goes on from a forced prefix as it went on by itself, whatever the other prefixes of the batch", async () => {
    const whole = await generator.generate(prompts, { maxNewTokens: 20 });
    const prefixes = whole.map(([ids = []], p) => ids.slice(0, [0, 3, 7, 7][p]));
    const rest = await generator.generate(prompts, { maxNewTokens: 12, prefixes });
    rest.forEach(([ids], p) => {
      const from = prefixes[p]?.length ?? 0;
      expect(ids).toEqual(whole[p]?.[0]?.slice(from, from + 12));
    });
  });

  test("draws a sample by its seed, stream and number alone, not by its batch", async () => {
    const options = { maxNewTokens: 12, samples: 4, sampling: SAMPLE, seed: 7 };
    const all = await generator.generate(prompts, options);
    expect(await generator.generate(prompts, { ...options, batchSize: 5 })).toEqual(all);
    const [third] = await generator.generate([prompts[2] ?? []], { ...options, samples: 2, streams: [2] });
    expect(third).toEqual(all[2]?.slice(0, 2));
    expect(await generator.generate(prompts, { ...options, seed: 8 })).not.toEqual(all);
    expect(new Set(all[0]?.map(String)).size).toBe(4);
  });

  test("two processes write what one writes", async () => {
    const options = { maxNewTokens: 12, samples: 2, sampling: SAMPLE, batchSize: 2 };
    const alone = await generator.generate(prompts, options);
    const pair = await openOnnxGenerator(goldenDir("t5-v1.1"), { processes: 2 });
    try {
      expect(await pair.generate(prompts, options)).toEqual(alone);
    } finally {
      await pair.dispose();
    }
  });

  test("hears from a process what it could not load", async () => {
    const decoder = startDecoderProcess(join(goldenDir("t5-v1.1"), "nowhere"), generator.config, 1);
    const rows = [{ promptIds: [5, 1], prefixIds: [], stream: 0, sample: 0 }];
    const options = { maxNewTokens: 2, sampling: GREEDY, seed: 1, stopTokenIds: [] };
    try {
      await expect(decoder.decode(rows, options)).rejects.toThrow("onnxruntime cannot load the graph");
    } finally {
      await decoder.close();
    }
  });

  test("ends a completion at a stop token, which stays", async () => {
    const [whole = []] = (await generator.generate(prompts, { maxNewTokens: 12 }))[0] ?? [];
    const stop = whole[4] ?? 0;
    const [cut] = (await generator.generate(prompts, { maxNewTokens: 12, stopTokenIds: [stop] }))[0] ?? [];
    expect(cut).toEqual(whole.slice(0, whole.indexOf(stop) + 1));
  });

  test("refuses to write no samples, and hears of a stop", async () => {
    await expect(generator.generate(prompts, { maxNewTokens: 4, samples: 0 })).rejects.toThrow("at least 1 sample");
    const signal = AbortSignal.abort();
    await expect(generator.generate(prompts, { maxNewTokens: 4, signal })).rejects.toThrow("stopped after 0 of 4");
  });
});
