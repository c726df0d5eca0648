// GET /models: files for a browser that runs the models itself, and nobody else's.

import { expect, test } from "vitest";
import { createApp } from "../../src/edge/app.ts";
import { type Env, parseSettings } from "../../src/edge/env.ts";
import { createMetrics } from "../../src/edge/http/metrics.ts";
import { fakeEngine } from "./fake-engine.ts";

function appWithModels(env: Env) {
  const asked: string[] = [];
  const app = createApp({
    engine: fakeEngine(),
    settings: parseSettings(env),
    metrics: createMetrics([]),
    models: {
      async stream(path) {
        asked.push(path);
        return new Blob([path]).stream();
      },
    },
    log: () => undefined,
  });
  return { app, asked };
}

test("the index says what an engine is made of; files that the manifest names are given out as they are", async () => {
  const { app } = appWithModels({ MODEL_DOWNLOADS: "true", AGGREGATION: "min" });
  expect(await (await app.request("/models/index.json")).json()).toEqual({
    policy: "policy",
    reward: "reward",
    dtype: "int8",
    judge_context: "prefix",
    aggregation: "min",
  });
  const file = await app.request("/models/policy/onnx/encoder_model_quantized.onnx");
  expect(file.status).toBe(200);
  expect(await file.text()).toBe("policy/onnx/encoder_model_quantized.onnx");
  expect((await app.request("/models/reward/stepwise_manifest.json")).status).toBe(200);
});

test("a file that no manifest names is not even looked for", async () => {
  const { app, asked } = appWithModels({ MODEL_DOWNLOADS: "true" });
  for (const path of ["policy/weights.bin", "docs/index.html", "policy/..%2F..%2Fsecret", "other/config.json"]) {
    expect((await app.request(`/models/${path}`)).status).toBe(404);
  }
  expect(asked).toEqual([]);
});

test("without MODEL_DOWNLOADS nothing is given out; with a key, only to who has it", async () => {
  const closed = appWithModels({});
  expect((await closed.app.request("/models/index.json")).status).toBe(404);
  expect((await closed.app.request("/models/policy/stepwise_manifest.json")).status).toBe(404);
  expect(closed.asked).toEqual([]);
  const locked = appWithModels({ MODEL_DOWNLOADS: "true", STEPWISE_API_KEY: "open-sesame" });
  expect((await locked.app.request("/models/index.json")).status).toBe(401);
  const headers = { authorization: "Bearer open-sesame" };
  expect((await locked.app.request("/models/index.json", { headers })).status).toBe(200);
});
