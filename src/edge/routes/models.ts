// GET /models/...: the models' files, for a browser that runs them itself. Only where the worker's owner gives them out, only files that a
// manifest names, and never whole in memory.

import { MANIFEST_FILE } from "../../shared/manifest.ts";
import type { AppDeps } from "../http/app-env.ts";
import { HttpError } from "../http/errors.ts";

type Deps = Pick<AppDeps, "engine" | "settings" | "models">;

/** What an engine is made of, as a browser needs it; also a file of a page that stands alone. */
export interface ModelIndex {
  policy: string;
  reward: string;
  dtype: string;
  judge_context: string;
  aggregation: string;
}

/** Throws HttpError 404 where the models are not given out. */
export function modelIndex({ settings, models }: Deps): ModelIndex {
  if (!settings.MODEL_DOWNLOADS || models === undefined) throw notGivenOut();
  return {
    policy: settings.POLICY_MODEL,
    reward: settings.REWARD_MODEL,
    dtype: settings.DTYPE,
    judge_context: settings.JUDGE_CONTEXT,
    aggregation: settings.AGGREGATION,
  };
}

/** A file of the policy or the reward model. Throws HttpError 404. */
export async function serveModelFile(deps: Deps, folder: string, path: string): Promise<Response> {
  const { policy, reward } = modelIndex(deps);
  const known = await deps.engine.load();
  const { manifest } = folder === policy ? known.policy : known.reward;
  const isNamed = path === MANIFEST_FILE || manifest.files.some((file) => file.path === path);
  const body =
    isNamed && (folder === policy || folder === reward) ? await deps.models?.stream(`${folder}/${path}`) : undefined;
  if (body === undefined) throw new HttpError(404, "not_found", "there is no such file of the models.");
  const type = path.endsWith(".json") ? "application/json" : "application/octet-stream";
  return new Response(body, {
    headers: { "content-type": type, "cache-control": "private, no-cache", "x-content-type-options": "nosniff" },
  });
}

function notGivenOut(): HttpError {
  return new HttpError(404, "not_found", "this worker does not give its models out (MODEL_DOWNLOADS).");
}
