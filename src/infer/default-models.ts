// Which models are served when none is named: the trained one if there is one, judged by the one that ships.

import { existsSync } from "node:fs";
import { BASE_MODEL, TRAINED_MODEL } from "./infer.ts";

/** Folders of policy and reward model. */
export function chooseModels(asked: { policy?: string | undefined; reward?: string | undefined }): {
  policyDir: string;
  rewardDir: string;
} {
  const policy = asked.policy ?? (existsSync(TRAINED_MODEL) ? TRAINED_MODEL : BASE_MODEL);
  return { policyDir: policy, rewardDir: asked.reward ?? BASE_MODEL };
}
