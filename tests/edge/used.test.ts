// What a request has used is told and charged however it ends: counts by hand, on real graphs.

import { afterAll, beforeAll, expect, test } from "vitest";
import { createEngine, type Engine } from "../../src/edge/engine/engine.ts";
import type { GenerateOptions } from "../../src/edge/engine/generate.ts";
import type { Runtime } from "../../src/edge/engine/runtime.ts";
import type { Used } from "../../src/edge/engine/used.ts";
import { folderStore } from "../../src/serve/folder-store.ts";
import { createNodeRuntime } from "../../src/serve/node-runtime.ts";
import { judgePrompt, policyPrompt } from "../../src/shared/prompts.ts";
import { splitSteps } from "../../src/shared/steps.ts";
import { openReference, type Reference } from "../runtime/reference.ts";
import { exportTinyModel } from "../runtime/tiny-model.ts";
import { appOn } from "./fake-engine.ts";

const PROMPT = "Tom has 3 apples and gets 4.";
const STEPS = splitSteps("3 + 4 = 7\nSo Tom has 7 apples.\nAnd no more.");

let model: Awaited<ReturnType<typeof exportTinyModel>>;
let scorer: Awaited<ReturnType<typeof exportTinyModel>>;
let reference: Reference;
let engine: Engine;
let scoring: Engine;
/** Called at every run of a graph. */
let onRun: () => void = () => undefined;

/** The real runtime, watched. */
function watched(runtime: Runtime): Runtime {
  return {
    ...runtime,
    async createSession(...about) {
      const session = await runtime.createSession(...about);
      return {
        outputNames: session.outputNames,
        run(...feeds) {
          onRun();
          return session.run(...feeds);
        },
        release: () => session.release(),
      };
    },
  };
}

beforeAll(async () => {
  model = await exportTinyModel("t5-v1.1", { lean: true });
  scorer = await exportTinyModel("t5-v1.1", { lean: true, processReward: true });
  reference = await openReference(model.dir, "");
  const store = folderStore({ model: model.dir, scorer: scorer.dir });
  const options = { store, runtime: watched(createNodeRuntime(1)), dtype: "int8", maxWaiting: 32 } as const;
  engine = createEngine({ ...options, policy: "model", reward: "model" });
  scoring = createEngine({ ...options, policy: "model", reward: "scorer" });
  await engine.load();
  await scoring.load();
});
afterAll(async () => {
  await model.remove();
  await scorer.remove();
});

/** No text ends by itself within 24 tokens. */
const asked: GenerateOptions = {
  prompt: PROMPT,
  sampling: { doSample: false, temperature: 1, topK: 0, topP: 1 },
  seed: 0,
  stop: [],
  repetitionPenalty: 1,
  candidates: 1,
  minNewTokens: 24,
  maxNewTokens: 24,
};

/** What is told of a request that ends as it may. */
async function usedBy(request: (onUsed: (used: Used) => void) => Promise<unknown>): Promise<Used[]> {
  const told: Used[] = [];
  await request((used) => told.push(used)).catch(() => undefined);
  return told;
}

/** A signal that is aborted once a number of things have happened. */
function abortAfter(count: number) {
  const controller = new AbortController();
  let left = count;
  return {
    signal: controller.signal,
    happen() {
      left -= 1;
      if (left === 0) controller.abort(new Error("left"));
    },
  };
}

test("a caller who leaves with the fifth token has used the prompt and five tokens", async () => {
  const promptTokens = reference.encode(policyPrompt(PROMPT)).length;
  for (const [candidates, completionTokens] of [
    [1, 5],
    [3, 5 * 3],
  ] as const) {
    const { signal, happen } = abortAfter(5);
    const onToken = ({ candidate }: { candidate: number }) => candidate === 0 && happen();
    const told = await usedBy((onUsed) => engine.generate({ ...asked, candidates, signal, onToken, onUsed }));
    expect(told).toEqual([{ promptTokens, completionTokens, steps: 0 }]);
  }
});

test("a whole answer is told once, beams by what they found", async () => {
  const promptTokens = reference.encode(policyPrompt(PROMPT)).length;
  const whole = await usedBy((onUsed) => engine.generate({ ...asked, candidates: 2, onUsed }));
  expect(whole).toEqual([{ promptTokens, completionTokens: 48, steps: 0 }]);
  const beams = { count: 3, lengthPenalty: 1, earlyStopping: false };
  const searched = await usedBy((onUsed) => engine.generate({ ...asked, beams, onUsed }));
  expect(searched).toEqual([{ promptTokens, completionTokens: 3 * 24, steps: 0 }]);
});

test("a search that is broken off has used a token of every beam a step", async () => {
  const { signal, happen } = abortAfter(7);
  let runs = 0;
  // the encoder, then decoder and head a step: the third step is the seventh run
  onRun = () => {
    runs += 1;
    happen();
  };
  const beams = { count: 4, lengthPenalty: 1, earlyStopping: false };
  const told = await usedBy((onUsed) => engine.generate({ ...asked, beams, signal, onUsed }));
  onRun = () => undefined;
  expect(runs).toBe(7);
  expect(told).toMatchObject([{ completionTokens: 3 * 4 }]);
});

test("a caller who leaves the line has used nothing", { timeout: 60_000 }, async () => {
  const { signal, happen } = abortAfter(1);
  const others = Array.from({ length: 16 }, () => engine.generate(asked));
  const told = await usedBy((onUsed) => engine.generate({ ...asked, signal, onUsed, onQueue: happen }));
  expect(signal.aborted).toBe(true);
  // a graph may be running for others
  await expect.poll(() => told, { timeout: 20_000 }).toEqual([{ promptTokens: 0, completionTokens: 0, steps: 0 }]);
  await Promise.all(others);
});

test("a judge's request that ends after a question has used that question", async () => {
  const { signal, happen } = abortAfter(1);
  onRun = happen;
  const completions = [{ field: "completion", steps: STEPS }];
  const request = { prompt: PROMPT, completions, aggregation: "mean", context: "prefix" } as const;
  const told = await usedBy((onUsed) => engine.score({ ...request, signal, onUsed }));
  onRun = () => undefined;
  // the shortest is read first
  const first = reference.encode(judgePrompt(policyPrompt(PROMPT), STEPS, 0, "prefix")).length;
  expect(told).toEqual([{ promptTokens: first, completionTokens: 0, steps: 1 }]);
});

test("a process reward model's request that ends after the prompt has used the prompt", async () => {
  const { signal, happen } = abortAfter(1);
  onRun = happen;
  const completions = [{ field: "completion", steps: STEPS }];
  const request = { prompt: PROMPT, completions, aggregation: "mean", context: "prefix" } as const;
  const told = await usedBy((onUsed) => scoring.score({ ...request, signal, onUsed }));
  onRun = () => undefined;
  const promptTokens = reference.encode(policyPrompt(PROMPT)).length;
  expect(told).toEqual([{ promptTokens, completionTokens: 0, steps: 0 }]);
  expect(await usedBy((onUsed) => scoring.score({ ...request, onUsed }))).toMatchObject([{ steps: 3 }]);
});

test("forced decoding that ends after the prompt has used the prompt", async () => {
  const { signal, happen } = abortAfter(1);
  onRun = happen;
  const request = { prompt: PROMPT, completion: "3 + 4 = 7", field: "completion" };
  const told = await usedBy((onUsed) => engine.forced({ ...request, signal, onUsed }));
  onRun = () => undefined;
  const promptTokens = reference.encode(policyPrompt(PROMPT)).length;
  expect(told).toEqual([{ promptTokens, completionTokens: 0, steps: 0 }]);
  const completion = reference.encode("3 + 4 = 7").length;
  expect(await usedBy((onUsed) => engine.forced({ ...request, onUsed }))).toEqual([
    { promptTokens: promptTokens + completion, completionTokens: 0, steps: 0 },
  ]);
});

test("a stream that is left in the middle is charged: the minute's tokens are used up", {
  timeout: 60_000,
}, async () => {
  const promptTokens = reference.encode(policyPrompt(PROMPT)).length;
  // only with some of the tokens that were written is it too much
  const { app, call } = appOn(engine, { TOKENS_PER_MINUTE: String(promptTokens + 2) });
  const parameters = { max_new_tokens: 24, logit_bias: { "1": -100 } };
  const leave = new AbortController();
  const response = await app.request("/generate_stream", {
    method: "POST",
    body: JSON.stringify({ inputs: PROMPT, parameters }),
    signal: leave.signal,
  });
  expect(response.status).toBe(200);
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  for (let text = ""; text.split("\ndata:").length < 12; ) text += `\n${decoder.decode((await reader?.read())?.value)}`;
  await reader?.cancel();
  leave.abort();
  const counted = async (name: string) =>
    Number(new RegExp(`^stepwise_${name}_total (\\d+)$`, "m").exec((await call("/metrics")).text)?.[1]);
  await expect.poll(() => counted("prompt_tokens"), { timeout: 20_000 }).toBe(promptTokens);
  expect(await counted("generated_tokens")).toBeGreaterThanOrEqual(11);
  expect(await call("/generate", { inputs: PROMPT })).toMatchObject({
    status: 429,
    json: { error_type: "rate_limited", error: expect.stringContaining("tokens of this minute") },
  });
});
