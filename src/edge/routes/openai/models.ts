// GET /v1/models and /v1/models/{name}: policy and reward model in OpenAI's list.

import type { AppDeps } from "../../http/app-env.ts";
import { HttpError } from "../../http/errors.ts";

/** The models that are served, each once. */
export async function listModels({ engine }: Pick<AppDeps, "engine">) {
  const { policy, reward } = await engine.load();
  const models = new Map([policy, reward].map(({ manifest }) => [manifest.model, manifest]));
  return [...models.values()].map(({ model, created }) => ({
    id: model,
    object: "model" as const,
    created: Math.floor(Date.parse(created) / 1000),
    owned_by: "stepwise-dpo",
  }));
}

/** One of them. Throws HttpError 404 for another name. */
export async function findModel(deps: Pick<AppDeps, "engine">, name: string) {
  const model = (await listModels(deps)).find(({ id }) => id === name);
  if (model !== undefined) return model;
  throw new HttpError(404, "model_not_found", "no model of that name. GET /v1/models lists them.");
}
