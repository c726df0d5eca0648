// GET /health, /info and /metrics: whether the models can be used, what they are, what they did.

import type { Context } from "hono";
import { AGGREGATIONS } from "../../shared/aggregate.ts";
import { TEMPLATE_VERSION } from "../../shared/prompts.ts";
import type { ModelInfo } from "../engine/engine.ts";
import type { AppDeps, AppEnv } from "../http/app-env.ts";

/** The handler of GET /health: opens the models if need be; 503 while one is absent or damaged. */
export function handleHealth({ engine }: AppDeps) {
  return async (c: Context<AppEnv>): Promise<Response> => {
    await engine.load();
    return c.json({ status: "ok" });
  };
}

function describe({ manifest, dtype, vocabSize }: ModelInfo) {
  return {
    id: manifest.model,
    created: manifest.created,
    dtype,
    vocab_size: vocabSize,
    max_source_tokens: manifest.limits.max_source_tokens,
    max_target_tokens: manifest.limits.max_target_tokens,
    files: manifest.files
      .filter((file) => file.dtype === undefined || file.dtype === dtype)
      .map(({ path, bytes, sha256 }) => ({ path, bytes, sha256 })),
  };
}

/** The handler of GET /info. */
export function handleInfo({ engine, settings }: AppDeps) {
  return async (c: Context<AppEnv>): Promise<Response> => {
    const { policy, reward } = await engine.load();
    return c.json({
      model_id: policy.manifest.model,
      policy: describe(policy),
      reward: { ...describe(reward), type: reward.manifest.reward?.type ?? "judge" },
      template_version: TEMPLATE_VERSION,
      aggregation: settings.AGGREGATION,
      aggregations: AGGREGATIONS,
      judge_context: settings.JUDGE_CONTEXT,
      max_body_bytes: settings.MAX_BODY_BYTES,
      max_waiting_requests: settings.MAX_WAITING,
    });
  };
}

/** The handler of GET /metrics. */
export function handleMetrics({ engine, metrics }: AppDeps) {
  return (c: Context<AppEnv>): Response =>
    c.text(metrics.render(engine), 200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
}
