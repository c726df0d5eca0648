// GET /info: what the models are, and the settings of the worker.

import { AGGREGATIONS } from "../../shared/aggregate.ts";
import { ArtifactError } from "../../shared/errors.ts";
import { TEMPLATE_VERSION } from "../../shared/prompts.ts";
import type { ModelInfo } from "../engine/engine.ts";
import type { AppDeps } from "../http/app-env.ts";

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

/** Throws ArtifactError where the policy that opened is a reward model; one that is served as both is a worker that only scores. */
export function checkServed({ policy, reward }: { policy: ModelInfo; reward: ModelInfo }): void {
  if (policy.manifest.reward === undefined || policy.manifest.model === reward.manifest.model) return;
  throw new ArtifactError({
    code: "not_a_policy",
    what: `model "${policy.manifest.model}" is served as policy, but is a process reward model: it scores, and writes no text`,
    where: "POLICY_MODEL",
    fix: "Serve a policy beside it: npm run dev -- --policy DIR --reward DIR.",
  });
}

/** What GET /info tells. */
export async function infoResult({ engine, settings }: Pick<AppDeps, "engine" | "settings">) {
  const { policy, reward } = await engine.load();
  return {
    model_id: policy.manifest.model,
    policy: describe(policy),
    reward: { ...describe(reward), type: reward.manifest.reward?.type ?? ("judge" as const) },
    template_version: TEMPLATE_VERSION,
    aggregation: settings.AGGREGATION,
    aggregations: AGGREGATIONS,
    judge_context: settings.JUDGE_CONTEXT,
    max_body_bytes: settings.MAX_BODY_BYTES,
    max_waiting_requests: settings.MAX_WAITING,
  };
}
