// What a checkpoint of a reward model's training keeps beside weights and optimizer, and whether a run may go on from it.

import { z } from "zod";
import { ArtifactError, InputError } from "../../shared/errors.ts";
import { loadCheckpointState } from "../checkpoint.ts";
import type { AdamWState } from "../optim/adamw.ts";
import { type RewardConfig, rewardConfigToJson } from "./reward-config.ts";
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
  const parsed = stateSchema.safeParse(state);
  if (!parsed.success) {
    throw new ArtifactError({
      code: "bad_checkpoint",
      what: "the run's state is damaged, or that of another kind of training",
      where: checkpoint,
      fix: "Delete this checkpoint and resume again, or choose another --output.",
      cause: parsed.error,
    });
  }
  const mismatch = (what: string, fix: string): InputError =>
    new InputError({ code: "resume_mismatch", what, where: checkpoint, fix });
  for (const [name, value] of Object.entries(rewardConfigToJson(config))) {
    const saved = JSON.stringify(parsed.data.config[name]);
    if (FREE_TO_CHANGE.has(name) || saved === JSON.stringify(value)) continue;
    throw mismatch(
      `"${name}" is ${JSON.stringify(value)}, the run to resume had ${saved}`,
      "Resume with the same settings, or start anew without --resume.",
    );
  }
  if (parsed.data.data_hash !== data.hash)
    throw mismatch("the training data changed", "Restore the data, or start anew without --resume.");
  return { state: parsed.data, optimizer };
}
