// What a checkpoint of a reward model's training keeps beside weights and optimizer, and what a run must share with the one that it goes on
// from.

import { z } from "zod";
import type { AdamWState } from "../../optim/adamw.ts";
import { loadRunState, newRunState, runStateSchema } from "../run/run-state.ts";
import { settingsToJson } from "../run/settings.ts";
import type { RewardConfig } from "./config.ts";
import type { RewardData } from "./reward-data.ts";
import { NO_SOLUTIONS, solutionFiguresSchema } from "./solution-figures.ts";

const rewardStateSchema = runStateSchema(solutionFiguresSchema).extend({ data_hash: z.string() });
/** May differ between a run and its resumption, beside what may in every run. */
export const FREE_SETTINGS = ["workers", "weight_type"];

export type RewardState = z.infer<typeof rewardStateSchema>;

/** The state of a run at step 0. */
export function newRewardState(config: RewardConfig, data: RewardData): RewardState {
  return { ...newRunState(NO_SOLUTIONS, settingsToJson(config)), data_hash: data.hash };
}

/** State and optimizer of a checkpoint. Throws ArtifactError for a damaged one, InputError where settings or data differ. */
export async function loadRewardState(
  checkpoint: string,
  config: RewardConfig,
  data: RewardData,
): Promise<{ state: RewardState; optimizer: AdamWState }> {
  return loadRunState(checkpoint, rewardStateSchema, {
    config: settingsToJson(config),
    free: FREE_SETTINGS,
    same: [{ field: "data_hash", hash: data.hash, name: "the training data", restore: "the data" }],
  });
}
