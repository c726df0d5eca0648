// Policy and reward model as folders that can be served: found here or in the Hub cache, exported where they were not.

import { readFile, realpath } from "node:fs/promises";
import { join } from "node:path";
import { MANIFEST_FILE, parseManifest } from "../../../shared/manifest.ts";
import type { Dtype } from "../../../shared/onnx-names.ts";
import { isAdapterFolder } from "../../store/adapter-config.ts";
import { resolveCachedModel } from "../../store/hub/resolve-cached-model.ts";
import { baseFolder } from "../../store/model-files.ts";
import { readRewardModelFile } from "../../store/reward-model-file.ts";
import { ensureExported } from "./ensure-exported.ts";

/**
 * Both folders, each with its manifest; one folder for both where the reward model is the base of the policy's adapter and `dtype` is
 * that of the graphs that hold both. Throws InputError for a model that is not here, and what `exportOnnx` throws.
 */
export async function exportedModels(
  models: { policy: string; reward: string; dtype?: Dtype | undefined },
  say: (line: string) => void,
): Promise<{ policyDir: string; rewardDir: string }> {
  const { dtype = "int8" } = models;
  const policy = await resolveCachedModel(models.policy);
  const reward = await resolveCachedModel(models.reward);
  const policyDir = await ensureExported(policy, { dtype, say });
  if (dtype === "int8" && (await holdsBase(policyDir)) && (await isJudgeUnder(policy, reward)))
    return { policyDir, rewardDir: policyDir };
  return { policyDir, rewardDir: await ensureExported(reward, { dtype, say }) };
}

/** Whether an export's graphs hold a base model and an adapter. */
async function holdsBase(exportDir: string): Promise<boolean> {
  const path = join(exportDir, MANIFEST_FILE);
  return parseManifest(JSON.parse(await readFile(path, "utf8")), path).adapter !== undefined;
}

/** Whether `dir` is the base of the adapter, and no process reward model, which a judge's graphs cannot replace. */
async function isJudgeUnder(adapterDir: string, dir: string): Promise<boolean> {
  if (!isAdapterFolder(adapterDir) || (await readRewardModelFile(dir)) !== undefined) return false;
  return (await realpath(dir)) === (await realpath(await baseFolder(adapterDir)));
}
