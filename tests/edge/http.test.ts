// What all routes share: errors, key, limits, CORS, ids, logs, metrics.

import OpenAI from "openai";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { parseSettings } from "../../src/edge/env.ts";
import { misconfigured } from "../../src/edge/http/errors.ts";
import { createMetrics } from "../../src/edge/http/metrics.ts";
import { createTimedEngine } from "../../src/edge/http/timed-engine.ts";
import { openapiDocument } from "../../src/edge/routes/openapi.ts";
import { ArtifactError, CapacityError, InputError } from "../../src/shared/errors.ts";
import { appOn, fakeEngine } from "./fake-engine.ts";

const KEY = "correct-horse";
const GREEDY = { doSample: false, temperature: 1, topK: 0, topP: 1 };

describe("errors", () => {
  test("a body that is not JSON is a 400", async () => {
    const { status, json } = await appOn(fakeEngine()).call("/generate", '{"prompt": ');
    expect(status).toBe(400);
    expect(json).toEqual({ error: "the body is not JSON (UTF-8).", error_type: "invalid_json" });
  });

  test("an empty body and broken UTF-8 are 400s too", async () => {
    const { app } = appOn(fakeEngine());
    expect((await app.request("/score", { method: "POST" })).status).toBe(400);
    const broken = new Uint8Array([0x22, 0xff, 0x22]);
    expect((await app.request("/score", { method: "POST", body: broken })).status).toBe(400);
  });

  test("a body over the limit is a 413, with or without content-length", async () => {
    const { app, call } = appOn(fakeEngine(), { MAX_BODY_BYTES: "100" });
    expect((await call("/generate", { prompt: "x".repeat(100) })).status).toBe(413);
    let pulled = 0;
    const body = new ReadableStream({
      pull(controller) {
        pulled++;
        controller.enqueue(new Uint8Array(60));
      },
    });
    const init = { method: "POST", body, duplex: "half" };
    const streamed = await app.request("/generate", init);
    expect(streamed.status).toBe(413);
    expect(pulled).toBeLessThan(5);
  });

  test("an unknown path is a 404, a wrong method a 405 that names the right one", async () => {
    const { call } = appOn(fakeEngine());
    expect(await call("/nothing")).toMatchObject({ status: 404, json: { error_type: "not_found" } });
    const wrong = await call("/score");
    expect(wrong).toMatchObject({ status: 405, json: { error_type: "method_not_allowed" } });
    expect(wrong.headers.get("allow")).toBe("POST");
  });

  test("a full queue and an absent model are 503s with Retry-After", async () => {
    const busy = appOn(
      fakeEngine({ generate: () => Promise.reject(new CapacityError({ code: "busy", what: "busy" })) }),
    );
    const overloaded = await busy.call("/generate", { prompt: "x" });
    expect(overloaded).toMatchObject({ status: 503, json: { error_type: "overloaded" } });
    expect(overloaded.headers.get("retry-after")).toBe("1");
    const absent = appOn(
      fakeEngine({ load: () => Promise.reject(new ArtifactError({ code: "model_absent", what: "gone" })) }),
    );
    const unavailable = await absent.call("/health");
    expect(unavailable).toMatchObject({ status: 503, json: { error: "gone.", error_type: "unavailable" } });
    expect(unavailable.headers.get("retry-after")).toBe("5");
  });

  test("a text over the model's limit is a 422 in the engine's words", async () => {
    const refuse = () =>
      Promise.reject(new InputError({ code: "too_long", what: "prompt has 600 tokens, the limit is 512" }));
    const { status, json } = await appOn(fakeEngine({ generate: refuse })).call("/generate", { prompt: "x" });
    expect(status).toBe(422);
    expect(json).toEqual({ error: "prompt has 600 tokens, the limit is 512.", error_type: "validation" });
  });

  test("an unforeseen fault tells the request id and nothing else", async () => {
    const { call } = appOn(fakeEngine({ generate: () => Promise.reject(new Error("secret path /a/b")) }));
    const { status, json, headers } = await call("/generate", { prompt: "x" });
    expect(status).toBe(500);
    expect(json).toEqual({ error: "internal error", error_type: "internal", request_id: headers.get("x-request-id") });
  });
});

describe("API key", () => {
  test("without one the worker is open", async () => {
    expect((await appOn(fakeEngine()).call("/info")).status).toBe(200);
  });

  test("with one, every path but /health wants it", async () => {
    const { call } = appOn(fakeEngine(), { STEPWISE_API_KEY: KEY });
    expect((await call("/health")).status).toBe(200);
    for (const path of ["/info", "/metrics", "/openapi.json", "/v1/models", "/nothing"]) {
      expect(await call(path)).toMatchObject({ status: 401, json: { error_type: "unauthorized" } });
    }
    for (const authorization of [`Bearer ${KEY}x`, `Bearer ${KEY.slice(1)}`, "Bearer ", KEY, "Basic abc"]) {
      expect((await call("/info", undefined, { authorization })).status).toBe(401);
    }
    expect((await call("/info", undefined, { authorization: `Bearer ${KEY}` })).status).toBe(200);
  });
});

describe("platform", () => {
  test("a rate limit that is used up is a 429 with Retry-After, and spares /health", async () => {
    const keys: string[] = [];
    const limiter = {
      async limit({ key }: { key: string }) {
        keys.push(key);
        return { success: keys.length < 2 };
      },
    };
    const { call } = appOn(fakeEngine(), {}, limiter);
    const address = { "cf-connecting-ip": "192.0.2.1" };
    expect((await call("/info", undefined, address)).status).toBe(200);
    const refused = await call("/info", undefined, address);
    expect(refused).toMatchObject({ status: 429, json: { error_type: "rate_limited" } });
    expect(refused.headers.get("retry-after")).toBe("60");
    expect((await call("/health", undefined, address)).status).toBe(200);
    expect(keys).toEqual(["192.0.2.1", "192.0.2.1"]);
  });

  test("with keys it counts the addresses of those who have none, and a valid key is not held up by it", async () => {
    const keys: string[] = [];
    const limiter = {
      async limit({ key }: { key: string }) {
        keys.push(key);
        return { success: keys.length < 3 };
      },
    };
    const { call } = appOn(fakeEngine(), { STEPWISE_API_KEY: KEY }, limiter);
    const from = { "cf-connecting-ip": "2001:db8:0:1:2::3" };
    const statuses = [];
    for (const authorization of ["Bearer wrong-key", "", "Bearer other-key"])
      statuses.push((await call("/info", undefined, { ...from, authorization })).status);
    expect(statuses).toEqual([401, 401, 429]);
    expect(keys).toEqual(Array.from({ length: 3 }, () => "2001:db8:0:1::/64"));
    expect((await call("/info", undefined, { ...from, authorization: `Bearer ${KEY}` })).status).toBe(200);
    expect(keys).toHaveLength(3);
  });

  test("it can be switched off, as on this machine", async () => {
    const limiter = { limit: async () => ({ success: false }) };
    expect((await appOn(fakeEngine(), { LIMIT_ADDRESSES: "false" }, limiter).call("/info")).status).toBe(200);
    expect((await appOn(fakeEngine(), {}, limiter).call("/info")).status).toBe(429);
  });

  test("CORS headers are sent to the configured origins only, on errors too", async () => {
    const { app, call } = appOn(fakeEngine(), {
      CORS_ORIGIN: "https://a.example, https://b.example",
      STEPWISE_API_KEY: KEY,
    });
    const allowed = await call("/score", "{", { origin: "https://b.example" });
    expect(allowed.status).toBe(401);
    expect(allowed.headers.get("access-control-allow-origin")).toBe("https://b.example");
    const other = await call("/health", undefined, { origin: "https://c.example" });
    expect(other.headers.get("access-control-allow-origin")).toBeNull();
    const preflight = await app.request("/score", {
      method: "OPTIONS",
      headers: { origin: "https://a.example", "access-control-request-method": "POST" },
    });
    expect(preflight.status).toBe(204);
    const closed = await appOn(fakeEngine()).call("/health", undefined, { origin: "https://a.example" });
    expect(closed.headers.get("access-control-allow-origin")).toBeNull();
  });

  test("a browser may send whatever headers openai's client does", async () => {
    const sent: string[] = [];
    const openai = new OpenAI({
      apiKey: KEY,
      baseURL: "http://host/v1",
      dangerouslyAllowBrowser: true,
      fetch: async (_, init) => {
        sent.push(...new Headers(init?.headers).keys());
        return Response.json({ object: "list", data: [] });
      },
    });
    await openai.completions.create({ model: "policy", prompt: "p" });
    expect(sent).toEqual(expect.arrayContaining(["authorization", "content-type", "x-stainless-lang"]));
    const { app } = appOn(fakeEngine(), { CORS_ORIGIN: "https://a.example" });
    const ask = (origin: string) =>
      app.request("/v1/completions", {
        method: "OPTIONS",
        headers: {
          origin,
          "access-control-request-method": "POST",
          "access-control-request-headers": sent.sort().join(","),
        },
      });
    const allowed = (await ask("https://a.example")).headers;
    expect(allowed.get("access-control-allow-headers")?.split(",").sort()).toEqual(sent);
    expect(allowed.get("access-control-allow-origin")).toBe("https://a.example");
    expect((await ask("https://b.example")).headers.get("access-control-allow-origin")).toBeNull();
  });

  test("a caller's request id comes back when it is harmless, else a fresh one", async () => {
    const { call } = appOn(fakeEngine());
    expect((await call("/health", undefined, { "x-request-id": "abc-1" })).headers.get("x-request-id")).toBe("abc-1");
    const fresh = (await call("/health", undefined, { "x-request-id": "a b" })).headers.get("x-request-id");
    expect(fresh).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("logs hold neither what users write nor unknown paths", async () => {
    const { call, logs } = appOn(fakeEngine());
    await call("/generate?q=SECRET", { prompt: "SECRET" });
    await call("/SECRET", { prompt: "SECRET" });
    await call("/score", '{"SECRET": ');
    expect(logs.map((line): unknown => JSON.parse(line))).toMatchObject([
      { route: "/generate", status: 200 },
      { route: "other", status: 404 },
      { route: "/score", status: 400 },
    ]);
    expect(logs.join("")).not.toContain("SECRET");
  });

  test("/metrics counts requests by route and status, tokens and steps", async () => {
    const { call } = appOn(fakeEngine());
    await call("/generate", { prompt: "x" });
    await call("/generate", {});
    await call("/score", { prompt: "Q", chosen: "a\nb", rejected: "c" });
    const { text, headers } = await call("/metrics");
    expect(headers.get("content-type")).toContain("text/plain");
    expect(text).toContain('stepwise_requests_total{route="/generate",status="200"} 1\n');
    expect(text).toContain('stepwise_requests_total{route="/generate",status="422"} 1\n');
    expect(text).toContain("stepwise_generated_tokens_total 3\n");
    expect(text).toContain("stepwise_scored_steps_total 3\n");
    expect(text).toContain("stepwise_prompt_tokens_total 24\n");
    expect(text).toContain("stepwise_wasm_memory_bytes 1000000\n");
  });

  test("/metrics tells how soon texts began and how fast they came, streamed or not", async () => {
    let clock = 0;
    const metrics = createMetrics();
    const engine = createTimedEngine(
      fakeEngine({
        async generate(options) {
          for (const [ms, tokens] of [
            [300, 1],
            [20, 2],
            [4_000, 4],
          ] as const) {
            clock += ms;
            options.onProgress?.(tokens);
          }
          return { model: "m", promptTokens: 1, candidates: [] };
        },
      }),
      metrics,
      () => clock,
    );
    const options = { prompt: "x", sampling: GREEDY, seed: 0, stop: [], repetitionPenalty: 1, candidates: 2 };
    await engine.generate(options);
    const text = metrics.render(engine);
    expect(text).toContain("stepwise_first_token_seconds_sum 0.3\nstepwise_first_token_seconds_count 1\n");
    expect(text).toContain('stepwise_token_seconds_bucket{le="0.025"} 1\n');
    expect(text).toContain("stepwise_token_seconds_sum 2.02\nstepwise_token_seconds_count 2\n");
  });

  test("/openapi.json describes every route with the schema that checks it", async () => {
    const { json } = await appOn(fakeEngine()).call("/openapi.json");
    expect(json).toMatchObject({
      openapi: "3.1.1",
      paths: {
        "/score": {
          post: {
            requestBody: {
              content: {
                "application/json": { schema: { properties: { chosen: { type: "string" } }, required: ["prompt"] } },
              },
            },
          },
        },
        "/generate": { post: {} },
        "/health": { get: {} },
      },
    });
  });

  test("/openapi.json names every path and method that the app answers; those of batches only where they are on", async () => {
    const { app, call } = appOn(fakeEngine());
    const isOfBatches = (path: string) => /^\/v1\/(files|batches)/.test(path);
    const answered = app.routes
      .filter(({ method }) => method !== "ALL")
      .map(({ method, path }) => ({ method: method.toLowerCase(), path: path.replace(/:(\w+)(\{[^}]*\})?/g, "{$1}") }));
    const named = (paths: Record<string, object>) =>
      Object.entries(paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method} ${path}`));
    const expected = (routes: typeof answered) => [...new Set(routes.map(({ method, path }) => `${method} ${path}`))];
    const known = z.object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) });
    const { paths } = known.parse((await call("/openapi.json")).json);
    expect(named(paths).sort()).toEqual(expected(answered.filter(({ path }) => !isOfBatches(path))).sort());
    expect(named(openapiDocument({ batches: true }).paths).sort()).toEqual(expected(answered).sort());
  });

  test("/info tells models, limits and defaults", async () => {
    const { json } = await appOn(fakeEngine(), { AGGREGATION: "min" }).call("/info");
    expect(json).toMatchObject({
      model_id: "policy-model",
      policy: { id: "policy-model", dtype: "int8", max_source_tokens: 512, max_target_tokens: 64 },
      reward: { id: "reward-model" },
      aggregation: "min",
      judge_context: "prefix",
      template_version: "stepwise-1",
    });
  });
});

describe("worker variables", () => {
  test("a wrong one is named", () => {
    expect(() => parseSettings({ DTYPE: "fp64" })).toThrow(/DTYPE.*worker variables/);
    expect(() => parseSettings({ POLICY_MODEL: "../x" })).toThrow("POLICY_MODEL: must be the name of a model folder");
    expect(() => parseSettings({ STEPWISE_API_KEY: "short" })).toThrow("STEPWISE_API_KEY");
  });

  test("a worker that has one answers 503 and says which", async () => {
    const response = misconfigured(new InputError({ code: "bad_variable", what: "DTYPE: wrong" }));
    expect(response.status).toBe(503);
    expect(response.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
    expect(response.headers.get("retry-after")).toBe("60");
    expect(await response.json()).toEqual({ error: "DTYPE: wrong.", error_type: "unavailable" });
  });
});
