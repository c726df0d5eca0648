// What an isolate has once: settings from its bindings, one engine, one app. Requests and the workflows of batches share them.

import { InputError } from "../shared/errors.ts";
import { type App, createApp } from "./app.ts";
import type { BatchDeps } from "./batch/chunk.ts";
import { batchBindings } from "./batch/platform.ts";
import { createYieldingEngine } from "./batch/yielding-engine.ts";
import { createEngine } from "./engine/engine.ts";
import { type Env, parseSettings, type Settings } from "./env.ts";
import { createAccounts } from "./http/accounts.ts";
import type { AppDeps } from "./http/app-env.ts";
import { notRenewed } from "./http/errors.ts";
import { createMetrics } from "./http/metrics.ts";
import { createAssetStore, createBucketStore, type FileStreams, type ModelStore } from "./model-store.ts";
import { ortRuntime } from "./ort.ts";

export interface Isolate {
  app: App;
  settings: Settings;
  /** For the requests of batches: they yield to others, and no minute's limit is charged with them. */
  batchDeps: BatchDeps;
}

let isolate: Isolate | undefined;

/** The isolate's parts; made at the first call. Throws InputError for variables or bindings that are wrong. */
export function isolateOf(env: Env): Isolate {
  isolate ??= build(env);
  return isolate;
}

function storeOf(env: Env): ModelStore & FileStreams {
  if (env.MODEL_FILES !== undefined) return createAssetStore(env.MODEL_FILES);
  if (env.MODELS !== undefined) return createBucketStore(env.MODELS);
  if (env.ASSETS !== undefined) return createAssetStore(env.ASSETS);
  throw new InputError({
    code: "no_models",
    what: "neither ASSETS nor MODELS is bound",
    where: "wrangler.toml",
    fix: "Bind a directory of static assets as ASSETS, or an R2 bucket as MODELS.",
  });
}

function build(env: Env): Isolate {
  const settings = parseSettings(env);
  const store = storeOf(env);
  const metrics = createMetrics(settings.keys.map(({ name }) => name));
  const engine = createEngine({
    store,
    runtime: ortRuntime,
    policy: settings.POLICY_MODEL,
    reward: settings.REWARD_MODEL,
    dtype: settings.DTYPE,
    maxWaiting: settings.MAX_WAITING,
    renewMs: settings.MODEL_CHECK_SECONDS * 1_000,
    report: (error) => console.log(notRenewed(error)),
    observe: metrics.observe,
  });
  const deps: AppDeps = {
    engine,
    settings,
    accounts: createAccounts(settings),
    metrics,
    pages: env.ASSETS === undefined ? undefined : createAssetStore(env.ASSETS),
    models: store,
    rateLimiter: env.RATE_LIMITER,
    batches: batchBindings(env),
    log: (line) => console.log(line),
  };
  const batchDeps = {
    ...deps,
    engineFor: createYieldingEngine(engine, { beside: settings.BATCH_BESIDE }),
    accounts: { ...deps.accounts, charge: () => undefined },
  };
  return { app: createApp(deps), settings, batchDeps };
}
