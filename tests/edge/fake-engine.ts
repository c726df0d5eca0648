// An engine that answers at once and remembers what it was asked; routes are tested against it.

import { createApp } from "../../src/edge/app.ts";
import type { Engine, ModelInfo } from "../../src/edge/engine/engine.ts";
import type { GenerateOptions } from "../../src/edge/engine/generate.ts";
import type { ScoreOptions } from "../../src/edge/engine/judge.ts";
import { type Env, parseSettings, type RateLimitBinding } from "../../src/edge/env.ts";
import { createMetrics } from "../../src/edge/http/metrics.ts";
import { aggregateScores } from "../../src/shared/aggregate.ts";

function info(model: string): ModelInfo {
  const file = { path: "onnx/encoder_model_quantized.onnx", bytes: 5, sha256: "0".repeat(64) };
  return {
    manifest: {
      format: 1,
      model,
      created: "2026-01-02T03:04:05.000Z",
      template_version: "stepwise-1",
      judge: { yes_token_id: 3, no_token_id: 4 },
      limits: { max_source_tokens: 512, max_target_tokens: 64 },
      files: [{ ...file, role: "encoder", dtype: "int8" }],
    },
    dtype: "int8",
    vocabSize: 96,
  };
}

export interface FakeEngine extends Engine {
  generated: GenerateOptions[];
  scored: ScoreOptions[];
}

/** Writes "one\ntwo"; a step scores 1 / its length. */
export function fakeEngine(overrides: Partial<Engine> = {}): FakeEngine {
  const generated: GenerateOptions[] = [];
  const scored: ScoreOptions[] = [];
  return {
    generated,
    scored,
    queueLength: 0,
    renew: () => undefined,
    memoryBytes: 1_000_000,
    status: () => ({ running: 0, waiting: 0, tokensPerSecond: 0, memoryBytes: 1_000_000 }),
    load: async () => ({ policy: info("policy-model"), reward: info("reward-model") }),
    async generate(options) {
      generated.push(options);
      const words = ["one", "\ntwo", ""];
      for (let candidate = 0; candidate < options.candidates; candidate++) {
        for (const [at, id] of [10, 11, 1].entries()) {
          const logp = at === 0 ? -1 + candidate / 10 : -1 - at;
          options.onToken?.({ candidate, id, text: words[at] ?? "", logp, special: id === 1 });
        }
      }
      const candidates = Array.from({ length: options.candidates }, (_, row) => ({
        ids: [10, 11, 1],
        tokenLogps: [-1 + row / 10, -2, -3],
        tokenTexts: options.tokenTexts ? ["one", "\ntwo", ""] : [],
        text: `one\ntwo${row === 0 ? "" : ` ${row}`}`,
        finishReason: "eos_token" as const,
      }));
      options.onUsed?.({ promptTokens: 4, completionTokens: 3 * options.candidates, steps: 0 });
      return { model: "policy-model", promptTokens: 4, candidates };
    },
    async forced({ completion, onUsed }) {
      onUsed?.({ promptTokens: 4 + 2, completionTokens: 0, steps: 0 });
      return { model: "policy-model", promptTokens: 4, ids: [10, 1], logps: [-1, -0.5], texts: [completion, ""] };
    },
    async score(options) {
      scored.push(options);
      const completions = options.completions.map(({ steps, from = 0 }) => {
        const scores = steps.slice(from).map(({ text }) => ({ text, score: 1 / text.length }));
        return {
          steps: scores,
          score: aggregateScores(
            scores.map(({ score }) => score),
            options.aggregation,
          ),
        };
      });
      const steps = completions.reduce((sum, one) => sum + one.steps.length, 0);
      options.onUsed?.({ promptTokens: 20, completionTokens: 0, steps });
      return { model: "reward-model", completions, promptTokens: 20 };
    },
    ...overrides,
  };
}

/** The app on a fake engine; `call` posts JSON (or gets, without a body) and parses the answer. */
export function appOn(engine: Engine, env: Env = {}, rateLimiter?: RateLimitBinding) {
  const logs: string[] = [];
  const settings = parseSettings(env);
  const app = createApp({
    engine,
    settings,
    metrics: createMetrics(settings.keys.map(({ name }) => name)),
    rateLimiter,
    log: (line) => logs.push(line),
  });
  const call = async (path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const init =
      body === undefined
        ? { headers }
        : { method: "POST", headers, body: typeof body === "string" ? body : JSON.stringify(body) };
    const response = await app.request(path, init);
    const text = await response.text();
    const json: unknown = response.headers.get("content-type")?.startsWith("application/json")
      ? JSON.parse(text)
      : undefined;
    return { status: response.status, headers: response.headers, text, json };
  };
  return { app, call, logs };
}
