// What workerd runs: bindings in, one app and one engine for the life of the isolate.

import { InputError } from "../shared/errors.ts";
import { type App, createApp } from "./app.ts";
import { createEngine } from "./engine/engine.ts";
import { type Env, parseSettings } from "./env.ts";
import { misconfigured } from "./http/errors.ts";
import { createMetrics } from "./http/metrics.ts";
import { createAssetStore, createBucketStore, type ModelStore } from "./model-store.ts";
import { ortRuntime } from "./ort.ts";

interface ExecutionContext {
  waitUntil(promise: Promise<unknown>): void;
  passThroughOnException(): void;
  props: unknown;
}

let app: App | undefined;

function storeOf(env: Env): ModelStore {
  if (env.MODELS !== undefined) return createBucketStore(env.MODELS);
  const files = env.MODEL_FILES ?? env.ASSETS;
  if (files !== undefined) return createAssetStore(files);
  throw new InputError({
    code: "no_models",
    what: "neither ASSETS nor MODELS is bound",
    where: "wrangler.toml",
    fix: "Bind a directory of static assets as ASSETS, or an R2 bucket as MODELS.",
  });
}

function buildApp(env: Env): App {
  const settings = parseSettings(env);
  const engine = createEngine({
    store: storeOf(env),
    runtime: ortRuntime,
    policy: settings.POLICY_MODEL,
    reward: settings.REWARD_MODEL,
    dtype: settings.DTYPE,
    maxWaiting: settings.MAX_WAITING,
  });
  return createApp({
    engine,
    settings,
    metrics: createMetrics(settings.keys.map(({ name }) => name)),
    pages: env.ASSETS === undefined ? undefined : createAssetStore(env.ASSETS),
    rateLimiter: env.RATE_LIMITER,
    log: (line) => console.log(line),
  });
}

export default {
  async fetch(request: Request, env: Env, context: ExecutionContext): Promise<Response> {
    try {
      app ??= buildApp(env);
    } catch (error) {
      return misconfigured(error);
    }
    const response = Promise.resolve(app.fetch(request, env, context));
    // A caller that goes away must not cut work off that others wait for: the loading of a model, a turn in the queue.
    context.waitUntil(response);
    return response;
  },
};
