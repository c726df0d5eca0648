// What a checkpoint of a reward model's training keeps beside weights and optimizer, and whether a run may go on from it.

import { z } from "zod";
import type { AdamWState } from "../../optim/adamw.ts";
import { loadCheckpointState } from "../run/checkpoint.ts";
import { checkSameSettings, parseRunState, resumeMismatch } from "../run/resume-check.ts";
import { type RewardConfig, rewardConfigToJson } from "./config.ts";
import type { RewardData } from "./reward-data.ts";
import { NO_SOLUTIONS } from "./solution-loss.ts";

/** Settings that may differ between a run and its resumption without changing its curve. */
const FREE_TO_CHANGE = new Set([
  "output_dir",
  "logging_steps",
  "save_steps",
  "save_total_limit",
  "eval_steps",
  "backend",
  "processes",
  "weight_type",
]);

const stateSchema = z.object({
  tokens: z.number(),
  /** Sum of the steps' losses, for the mean over the whole run. */
  loss_sum: z.number(),
  /** Time in the steps alone, over all processes of the run. */
  step_ms: z.number(),
  /** Figures since the last line of the log. */
  window: z.object({
    solutions: z.number(),
    tokens: z.number(),
    steps: z.number(),
    loss: z.number(),
    correct: z.number(),
    answeredTokens: z.number(),
    tokenLoss: z.number(),
    lmTokens: z.number(),
    lmLoss: z.number(),
    comparedTokens: z.number(),
    comparisonLoss: z.number(),
  }),
  config: z.record(z.string(), z.unknown()),
  data_hash: z.string(),
  /** Evaluation before the first step. */
  before: z.record(z.string(), z.number()),
});
export type RewardRunState = z.infer<typeof stateSchema>;

/** The state of a run at step 0. */
export function newRewardRunState(config: RewardConfig, data: RewardData): RewardRunState {
  return {
    tokens: 0,
    loss_sum: 0,
    step_ms: 0,
    window: NO_SOLUTIONS,
    config: rewardConfigToJson(config),
    data_hash: data.hash,
    before: {},
  };
}

/** State and optimizer of a checkpoint. Throws ArtifactError for a damaged one, InputError where settings or data differ. */
export async function loadRewardRunState(
  checkpoint: string,
  config: RewardConfig,
  data: RewardData,
): Promise<{ state: RewardRunState; optimizer: AdamWState }> {
  const { state, optimizer } = await loadCheckpointState(checkpoint);
  const saved = parseRunState(stateSchema, state, checkpoint);
  checkSameSettings(saved.config, rewardConfigToJson(config), FREE_TO_CHANGE, checkpoint);
  if (saved.data_hash !== data.hash) {
    const fix = "Restore the data, or start anew without --resume.";
    throw resumeMismatch("the training data changed", fix, checkpoint);
  }
  return { state: saved, optimizer };
}
