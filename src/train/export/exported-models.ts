// Policy and reward model as folders that can be served: found here or in the Hub cache, exported where they were not.

import { resolveCachedModel } from "../hub/resolve-cached-model.ts";
import { ensureExported } from "./ensure-exported.ts";

/** Both folders, each with its manifest. Throws InputError for a model that is not here, and what `exportOnnx` throws. */
export async function exportedModels(
  models: { policy: string; reward: string },
  say: (line: string) => void,
): Promise<{ policyDir: string; rewardDir: string }> {
  const policyDir = await resolveCachedModel(models.policy);
  const rewardDir = await resolveCachedModel(models.reward);
  return { policyDir: await ensureExported(policyDir, { say }), rewardDir: await ensureExported(rewardDir, { say }) };
}
