// Which models are served when none is named: the trained one if there is one, else the one that ships; and as judge the reward model
// that the policy was trained with, since a score is only comparable under the same judge.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { ArtifactError } from "../shared/errors.ts";

/** Where a trained model is written, and the model that ships. */
const TRAINED_MODEL = "outputs/final_stepwise_dpo_model";
export const BASE_MODEL = "data/models/stepwise-t5-nano";

/** What training wrote of its settings beside the model. */
const TRAIN_CONFIG = "train_config.json";
const trainConfigSchema = z.object({ model: z.string().min(1), reward_model: z.string().min(1).nullable() });

/** Policy and reward model: folders, or Hub ids where a person or the training's settings named one. */
export function chooseModels(asked: { policy?: string | undefined; reward?: string | undefined }): {
  policy: string;
  reward: string;
} {
  const policy = asked.policy ?? (existsSync(join(TRAINED_MODEL, "config.json")) ? TRAINED_MODEL : BASE_MODEL);
  return { policy, reward: asked.reward ?? judgeOf(policy) };
}

function judgeOf(policy: string): string {
  const path = join(policy, TRAIN_CONFIG);
  if (!existsSync(path)) return BASE_MODEL;
  const { model, reward_model } = parseTrainConfig(readFileSync(path, "utf8"), path);
  return reward_model ?? model;
}

function parseTrainConfig(text: string, where: string): z.infer<typeof trainConfigSchema> {
  try {
    return trainConfigSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new ArtifactError({
      code: "bad_train_config",
      what: "the settings of the training do not name its model and reward_model",
      where,
      fix: "Name the model that scores yourself, or restore the file.",
      cause,
    });
  }
}
