// The worker in real workerd, held to onnxruntime-node on the same files.

import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { prepareEdgeModels } from "../../src/infer/edge-models.ts";
import { type LocalWorker, startLocalWorker, startOnAssets } from "../../src/infer/local-worker.ts";
import { ArtifactError, InputError } from "../../src/shared/errors.ts";
import { likeliestTokens } from "../../src/train/checks/parity/likeliest-tokens.ts";
import { completeGreedily } from "../../src/train/onnx/decode/onnx-generate.ts";
import { LLMRewardModel } from "../../src/train/reward/judge/llm-reward-model.ts";
import { loadModel, loadTokenizer } from "../../src/train/store/model-folder.ts";
import { startTensorflow } from "../../src/train/tensorflow/tensorflow.ts";
import { openReference, type Reference } from "./reference.ts";
import { exportTinyModel } from "./tiny-model.ts";

const scoresSchema = z.object({ data: z.array(z.object({ steps: z.array(z.object({ score: z.number() })) })) });
const PROMPT = "Tom has 3 apples and gets 4 more. How many apples has he?";
const CHOSEN = "3 + 4 = 7\nTom has 7 apples.";
const REJECTED = "3 + 4 = 8\nTom has 8 apples.\nHe is glad.";

let policy: Awaited<ReturnType<typeof exportTinyModel>>;
let reward: Awaited<ReturnType<typeof exportTinyModel>>;

beforeAll(async () => {
  policy = await exportTinyModel("t5-v1.1");
  reward = await exportTinyModel("t5-v1.0");
});
afterAll(async () => {
  await policy.remove();
  await reward.remove();
});

async function post(worker: LocalWorker, path: string, body: unknown, headers: Record<string, string> = {}) {
  // A fresh connection each: the worker closes idle ones, and a test that computes for seconds does not hear of it in time.
  const init = { method: "POST", headers: { ...headers, connection: "close" }, body: JSON.stringify(body) };
  const response = await fetch(`${worker.url}${path}`, init);
  const json: unknown = await response.json();
  return { status: response.status, headers: response.headers, json };
}

/** Largest difference between the step scores of an answer and what is expected; their numbers must agree. */
function largestGap(json: unknown, expected: readonly (readonly number[])[]): number {
  const scores = scoresSchema.parse(json).data.map(({ steps }) => steps.map(({ score }) => score));
  expect(scores.map((steps) => steps.length)).toEqual(expected.map((steps) => steps.length));
  const flat = expected.flat();
  return Math.max(...scores.flat().map((score, index) => Math.abs(score - (flat[index] ?? Number.NaN))));
}

describe("fp32, two models", () => {
  let worker: LocalWorker;
  let policyReference: Reference;
  let rewardReference: Reference;
  const logs: string[] = [];

  beforeAll(async () => {
    worker = await startLocalWorker({
      policyDir: policy.dir,
      rewardDir: reward.dir,
      dtype: "fp32",
      env: { MAX_WAITING: "2" },
      onLog: (line) => logs.push(line),
    });
    policyReference = await openReference(policy.dir, "");
    rewardReference = await openReference(reward.dir, "");
  });
  afterAll(() => worker.stop());

  test("greedy generation has the ids of onnxruntime-node without a cache", async () => {
    const parameters = { max_new_tokens: 40, details: true };
    const { status, json } = await post(worker, "/generate", { inputs: PROMPT, parameters });
    expect(status).toBe(200);
    const expected = await policyReference.greedy(PROMPT, 40);
    expect(json).toMatchObject({
      generated_text: policyReference.decode(expected),
      details: { generated_tokens: expected.length, tokens: expected.map((id) => ({ id })) },
    });
  });

  test("it answers by the names of this machine alone, and no page of elsewhere", async () => {
    const statusAs = (headers: Record<string, string>) =>
      new Promise<number | undefined>((resolve, reject) => {
        request(`${worker.url}/health`, { headers, agent: false }, (response) => {
          response.resume();
          resolve(response.statusCode);
        })
          .on("error", reject)
          .end();
      });
    const { port } = new URL(worker.url);
    expect(await statusAs({})).toBe(200);
    expect(await statusAs({ host: `localhost:${port}`, origin: `http://localhost:${port}` })).toBe(200);
    expect(await statusAs({ host: `rebound.example:${port}` })).toBe(403);
    expect(await statusAs({ origin: "https://elsewhere.example" })).toBe(403);
  });

  test("step scores are those of onnxruntime-node within 1e-4", async () => {
    const { json } = await post(worker, "/score", { prompt: PROMPT, chosen: CHOSEN, rejected: REJECTED });
    const chosen = await rewardReference.stepScores(PROMPT, CHOSEN);
    const rejected = await rewardReference.stepScores(PROMPT, REJECTED);
    const closeTo = (value: number) => expect.closeTo(value, 4);
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(json).toMatchObject({
      data: [chosen, rejected].map((scores) => ({
        score: closeTo(mean(scores)),
        steps: scores.map((score) => ({ score: closeTo(score) })),
      })),
      chosen_score: closeTo(mean(chosen)),
      rejected_score: closeTo(mean(rejected)),
      margin: closeTo(mean(chosen) - mean(rejected)),
    });
  });

  test("the trainer decodes the same ids and scores the same steps, within 1e-3", async () => {
    await startTensorflow();
    const trained = await loadModel(policy.dir);
    const tokenizer = await loadTokenizer(policy.dir, trained.config);
    const prompts = [tokenizer.encode(PROMPT)];
    const [ids = []] = await completeGreedily(policy.dir, prompts, { maxNewTokens: 40 });
    expect(likeliestTokens(trained, prompts, [ids])).toEqual([ids]);
    const parameters = { max_new_tokens: 40, details: true };
    const generated = await post(worker, "/generate", { inputs: PROMPT, parameters });
    expect(generated.json).toMatchObject({
      generated_text: tokenizer.decode(ids),
      details: { tokens: ids.map((id) => ({ id })) },
    });

    const judge = await LLMRewardModel.load(reward.dir);
    const completions = [CHOSEN, REJECTED];
    const expected = judge.score(completions.map((completion) => ({ prompt: PROMPT, completion })));
    const scored = await post(worker, "/score", { prompt: PROMPT, completions });
    expect(
      largestGap(
        scored.json,
        expected.map(({ stepScores }) => stepScores),
      ),
    ).toBeLessThan(1e-3);
  });

  test("a seed repeats a sampled text", async () => {
    const body = { inputs: PROMPT, parameters: { temperature: 1, seed: 5, max_new_tokens: 20 } };
    const [first, second] = [await post(worker, "/generate", body), await post(worker, "/generate", body)];
    expect(first.json).toEqual(second.json);
  });

  test("requests at once get their turns, those beyond the line 503 with Retry-After", async () => {
    const body = { inputs: PROMPT, parameters: { max_new_tokens: 200, repetition_penalty: 3 } };
    const answers = await Promise.all(Array.from({ length: 8 }, () => post(worker, "/generate", body)));
    const served = answers.filter(({ status }) => status === 200);
    const refused = answers.filter(({ status }) => status === 503);
    expect(served.length).toBeGreaterThanOrEqual(3);
    expect(served.length + refused.length).toBe(8);
    expect(new Set(served.map(({ json }) => JSON.stringify(json))).size).toBe(1);
    for (const answer of refused) {
      // whole seconds, from the speed of late: what it says depends on the machine
      expect(Number(answer.headers.get("retry-after"))).toSatisfy(
        (s: number) => Number.isInteger(s) && s >= 1 && s <= 60,
      );
      expect(answer.json).toMatchObject({ error_type: "overloaded" });
    }
    expect((await post(worker, "/generate", body)).status).toBe(200);
  });

  test("callers that leave do not hold up the next", async () => {
    const body = JSON.stringify({ inputs: PROMPT, parameters: { max_new_tokens: 500, stop: ["never"] } });
    const leave = () => fetch(`${worker.url}/generate`, { method: "POST", body, signal: AbortSignal.timeout(20) });
    await Promise.allSettled([leave(), leave()]);
    const { status } = await post(worker, "/score", { prompt: PROMPT, completion: CHOSEN });
    expect(status).toBe(200);
  });

  test("a prompt over the limit is a 422 with both numbers", async () => {
    const prompt = "a ".repeat(600);
    const tokens = policyReference.encode(prompt).length;
    const { status, json } = await post(worker, "/generate", { prompt });
    expect(status).toBe(422);
    expect(json).toMatchObject({
      error: expect.stringContaining(`${tokens} tokens, the limit of model "tiny-t5-v1.1" is 512`),
    });
  });

  test("model files are not public", async () => {
    for (const path of ["/policy/stepwise_manifest.json", "/policy/onnx/encoder_model.onnx"]) {
      expect((await fetch(`${worker.url}${path}`)).status).toBe(404);
    }
  });

  test("the log holds no user's text", async () => {
    const { headers } = await post(worker, "/generate", { inputs: PROMPT, parameters: { max_new_tokens: 1 } });
    const requestId = headers.get("x-request-id") ?? "none";
    // lines arrive in order, some time after their answers: with the last one here, all are
    await expect.poll(() => logs.some((line) => line.includes(requestId)), { timeout: 20_000 }).toBe(true);
    expect(logs.find((line) => line.includes(requestId))).toContain('"route":"/generate"');
    expect(logs.join("\n")).not.toContain("apples");
  });

  test("a port that is taken is said, with a free one", async () => {
    const port = Number(new URL(worker.url).port);
    const second = startLocalWorker({ policyDir: policy.dir, rewardDir: reward.dir, port });
    await expect(second).rejects.toThrow(InputError);
  });
});

describe("int8, one model for both roles, with a key", () => {
  let worker: LocalWorker;
  const key = { authorization: "Bearer open-sesame" };

  beforeAll(async () => {
    const env = { STEPWISE_API_KEY: "open-sesame", AGGREGATION: "min", LIMIT_ADDRESSES: "true" };
    worker = await startLocalWorker({ policyDir: policy.dir, rewardDir: policy.dir, env });
  });
  afterAll(() => worker.stop());

  test("greedy generation has the ids of onnxruntime-node on the int8 files, as far as those are clear", async () => {
    const reference = await openReference(policy.dir, "_quantized");
    // processors round int8 sums differently: a step with two logits this close may go either way
    const expected = await reference.greedyCached(PROMPT, 20, 1e-3);
    expect(expected.length).toBeGreaterThan(3);
    const parameters = { max_new_tokens: expected.length, details: true };
    const { json } = await post(worker, "/generate", { inputs: PROMPT, parameters }, key);
    expect(json).toMatchObject({ details: { tokens: expected.map((id) => ({ id })) } });
  });

  test("int8 step scores stay within 2e-2 of fp32", async () => {
    const reference = await openReference(policy.dir, "");
    const { json } = await post(worker, "/score", { prompt: PROMPT, completion: CHOSEN }, key);
    const scores = await reference.stepScores(PROMPT, CHOSEN);
    expect(json).toMatchObject({ aggregation: "min" });
    expect(largestGap(json, [scores])).toBeLessThan(2e-2);
  });

  test("without the key there is a 401, and /health stays open", async () => {
    expect((await post(worker, "/score", { prompt: PROMPT, completion: CHOSEN })).status).toBe(401);
    expect((await fetch(`${worker.url}/health`)).status).toBe(200);
  });

  test("whoever tries keys is stopped by the platform's limiter, and the right key is not", async () => {
    const get = (authorization: string) =>
      fetch(`${worker.url}/info`, { headers: { authorization, connection: "close" } });
    const statuses = new Set<number>();
    // 60 a minute, two minutes at most
    for (let i = 0; i < 130 && !statuses.has(429); i++) statuses.add((await get(`Bearer wrong-key-${i}`)).status);
    expect([...statuses]).toEqual([401, 429]);
    expect((await get("Bearer open-sesame")).status).toBe(200);
  });
});

describe("models that cannot be used", () => {
  let assetsDir: string;
  beforeAll(async () => {
    assetsDir = await mkdtemp(join(tmpdir(), "stepwise-assets-"));
  });
  afterAll(() => rm(assetsDir, { recursive: true, force: true }));

  test("a damaged graph is a 503 that names the file, an absent model too", async () => {
    const dir = await mkdtemp(join(tmpdir(), "stepwise-damaged-"));
    await cp(policy.dir, dir, { recursive: true });
    const path = join(dir, "onnx/decoder_model_merged_quantized.onnx");
    const bytes = await readFile(path);
    bytes[500] = (bytes[500] ?? 0) ^ 1;
    await writeFile(path, bytes);
    const models = await prepareEdgeModels({ policyDir: dir, rewardDir: dir, assetsDir });
    const worker = await startOnAssets({ assetsDir, models });
    try {
      const health = await fetch(`${worker.url}/health`);
      expect(health.status).toBe(503);
      expect(health.headers.get("retry-after")).toBe("5");
      expect(await health.json()).toMatchObject({
        error: expect.stringContaining(
          "sha256 differs from the manifest's (policy/onnx/decoder_model_merged_quantized.onnx)",
        ),
        error_type: "unavailable",
      });
      expect((await post(worker, "/generate", { prompt: PROMPT })).status).toBe(503);
    } finally {
      await worker.stop();
      await rm(dir, { recursive: true, force: true });
    }
  });

  test("a folder that was never exported is refused before anything starts", async () => {
    const start = startLocalWorker({ policyDir: join(assetsDir, "nowhere"), rewardDir: policy.dir });
    await expect(start).rejects.toThrow(ArtifactError);
    await expect(start).rejects.toThrow("npm run export -- --model");
  });
});
