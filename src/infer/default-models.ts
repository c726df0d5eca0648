// Which models are served when none is named: the trained one if there is one, judged by the one that ships.

import { existsSync } from "node:fs";
import { join } from "node:path";

/** Where a trained model is written, and the model that ships. */
export const TRAINED_MODEL = "outputs/final_stepwise_dpo_model";
export const BASE_MODEL = "data/models/stepwise-t5-nano";

/** Folders of policy and reward model. */
export function chooseModels(asked: { policy?: string | undefined; reward?: string | undefined }): {
  policyDir: string;
  rewardDir: string;
} {
  const policy = asked.policy ?? (existsSync(join(TRAINED_MODEL, "config.json")) ? TRAINED_MODEL : BASE_MODEL);
  return { policyDir: policy, rewardDir: asked.reward ?? BASE_MODEL };
}
