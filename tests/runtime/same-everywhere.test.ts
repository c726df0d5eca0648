// One model, three runtimes: TensorFlow.js (which trained it, and is held against PyTorch elsewhere), onnxruntime, and the worker in
// real workerd. The same pairs give the same greedy text and the same step scores.

import { readFile, rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BASE_MODEL } from "../../src/infer/default-models.ts";
import { type LocalWorker, startLocalWorker } from "../../src/infer/local-worker.ts";
import type { Dtype } from "../../src/shared/onnx-names.ts";
import { type Pair, pairSchema } from "../../src/shared/records.ts";
import { likeliestTokens } from "../../src/train/checks/parity/likeliest-tokens.ts";
import { completeGreedily } from "../../src/train/onnx/decode/onnx-generate.ts";
import { openOnnxT5 } from "../../src/train/onnx/decode/onnx-t5.ts";
import { exportOnnx } from "../../src/train/onnx/export/export-onnx.ts";
import { LLMRewardModel } from "../../src/train/reward/judge/llm-reward-model.ts";
import { type FolderTokenizer, loadModel, loadTokenizer, type Model } from "../../src/train/store/model-folder.ts";
import { startTensorflow } from "../../src/train/tensorflow/tensorflow.ts";

const EXPORT_DIR = "outputs/test_same_everywhere";
const MAX_NEW_TOKENS = 96;

let model: Model;
let tokenizer: FolderTokenizer;
let pairs: Pair[];
let prompts: number[][];
let completions: number[][];
let texts: string[];
let scores: { chosen: number[]; rejected: number[] }[];

beforeAll(async () => {
  await startTensorflow();
  model = await loadModel(BASE_MODEL);
  tokenizer = await loadTokenizer(BASE_MODEL, model.config);
  const lines = (await readFile("data/dpo/eval.jsonl", "utf8")).split("\n").slice(0, 6);
  pairs = lines.map((line) => pairSchema.parse(JSON.parse(line)));
  prompts = pairs.map(({ prompt }) => tokenizer.encode(prompt));
  completions = await completeGreedily(BASE_MODEL, prompts, { maxNewTokens: MAX_NEW_TOKENS });
  texts = completions.map(tokenizer.decode);
  const judge = new LLMRewardModel(model, tokenizer);
  const scored = judge.score(
    pairs.flatMap(({ prompt, chosen, rejected }) => [
      { prompt, completion: chosen },
      { prompt, completion: rejected },
    ]),
  );
  scores = pairs.map((_, i) => ({
    chosen: scored[2 * i]?.stepScores ?? [],
    rejected: scored[2 * i + 1]?.stepScores ?? [],
  }));
  await exportOnnx({ modelDir: BASE_MODEL, outputDir: EXPORT_DIR });
});

afterAll(async () => {
  await rm(EXPORT_DIR, { recursive: true, force: true });
});

test("each token of the trainer's text is the likeliest on TensorFlow.js", () => {
  expect(completions.map(({ length }) => length)).not.toContain(0);
  expect(likeliestTokens(model, prompts, completions)).toEqual(completions);
});

test("onnxruntime decodes greedily to the trainer's text", async () => {
  const onnx = await openOnnxT5(EXPORT_DIR, "fp32");
  try {
    for (const [i, { prompt }] of pairs.entries()) {
      const encoded = await onnx.encode([tokenizer.encode(prompt)]);
      const ids: number[] = [];
      let cache: Awaited<ReturnType<typeof onnx.decode>>["cache"] | undefined;
      let token = model.config.decoderStartTokenId;
      while (ids.length < MAX_NEW_TOKENS && ids.at(-1) !== model.config.eosTokenId) {
        const step = await onnx.decode(encoded, [[token]], cache);
        cache = step.cache;
        const { data } = step.logits;
        token = data.reduce((best, value, id) => (value > (data[best] ?? 0) ? id : best), 0);
        ids.push(token);
      }
      expect(tokenizer.decode(ids)).toBe(texts[i]);
    }
  } finally {
    await onnx.dispose();
  }
});

describe.each([
  ["fp32", 1e-3],
  ["int8", 2e-2],
] as const)("workerd with %s weights", (dtype: Dtype, tolerance) => {
  let worker: LocalWorker;

  beforeAll(async () => {
    worker = await startLocalWorker({ policyDir: EXPORT_DIR, rewardDir: EXPORT_DIR, dtype });
  });
  afterAll(async () => {
    await worker.stop();
  });

  async function post(path: string, body: unknown): Promise<unknown> {
    const response = await fetch(`${worker.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", connection: "close" },
      body: JSON.stringify(body),
    });
    expect(response.status).toBe(200);
    return response.json();
  }

  test.runIf(dtype === "fp32")("/generate writes the trainer's greedy text", async () => {
    for (const [i, { prompt }] of pairs.entries()) {
      expect(await post("/generate", { prompt, parameters: { max_new_tokens: MAX_NEW_TOKENS } })).toMatchObject({
        generated_text: texts[i],
      });
    }
  });

  test(`/score gives the trainer's step scores within ${tolerance}`, async () => {
    let gap = 0;
    for (const [i, pair] of pairs.entries()) {
      const answer = await post("/score", pair);
      const { data } = answer as { data: { steps: { score: number }[] }[] };
      for (const [side, expected] of [scores[i]?.chosen, scores[i]?.rejected].entries()) {
        const got = data[side]?.steps.map((step) => step.score) ?? [];
        expect(got).toHaveLength(expected?.length ?? -1);
        got.forEach((score, s) => {
          gap = Math.max(gap, Math.abs(score - (expected?.[s] ?? Number.NaN)));
        });
      }
    }
    expect(gap).toBeLessThan(tolerance);
  });
});
