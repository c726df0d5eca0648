// reward_model.json of a model folder: whether the model is a trained reward model.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseRewardModelFile, REWARD_MODEL_FILE, type RewardModelFile } from "../../shared/process-reward.ts";
import { readJson } from "../io/read-json.ts";

/** What the file says; undefined where there is none: a policy, or a zero-shot judge. Throws ArtifactError for one that is not right. */
export async function readRewardModelFile(dir: string): Promise<RewardModelFile | undefined> {
  const path = join(dir, REWARD_MODEL_FILE);
  if (!existsSync(path)) return undefined;
  return parseRewardModelFile(await readJson(path, { fix: "Train the reward model again." }), path);
}
