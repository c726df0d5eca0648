// What a checkpoint keeps of a run beside weights and optimizer, and whether a run may go on from it.

import { z } from "zod";
import type { AdamWState } from "../../optim/adamw.ts";
import { loadCheckpointState } from "../run/checkpoint.ts";
import { checkSameSettings, parseRunState, resumeMismatch } from "../run/resume-check.ts";
import { type TrainConfig, trainConfigToJson } from "./config.ts";
import type { TrainingData } from "./data.ts";
import { figuresSchema, NO_FIGURES } from "./figures.ts";

/** Settings that may differ between a run and its resumption without changing its curve. */
const FREE_TO_CHANGE = new Set([
  "output_dir",
  "logging_steps",
  "save_steps",
  "save_total_limit",
  "eval_steps",
  "sample_prompts",
  "backend",
  "gradient_checkpointing",
]);

const runStateSchema = z.object({
  tokens: z.number(),
  /** Sum of the steps' losses, for the mean over the whole run. */
  loss_sum: z.number(),
  /** Time in the steps alone, without evaluation and checkpoints, over all processes of the run. */
  step_ms: z.number(),
  /** Figures since the last line of the log, which a resumed run goes on summing. */
  window: figuresSchema,
  config: z.record(z.string(), z.unknown()),
  data_hash: z.string(),
  /** Hash of the frozen start that the reference log-probs come from; null without a reference. */
  reference_hash: z.string().nullable(),
  /** Evaluation and samples from before the first step. */
  before: z.record(z.string(), z.number()),
  samples: z.array(z.object({ prompt: z.string(), completion: z.string() })),
});
export type RunState = z.infer<typeof runStateSchema>;

/** The state of a run at step 0. */
export function newRunState(config: TrainConfig, data: TrainingData): RunState {
  return {
    tokens: 0,
    loss_sum: 0,
    step_ms: 0,
    window: NO_FIGURES,
    config: trainConfigToJson(config),
    data_hash: data.hash,
    reference_hash: data.referenceHash,
    before: {},
    samples: [],
  };
}

/** State and optimizer of a checkpoint. Throws ArtifactError for a damaged one, InputError where settings or data differ. */
export async function loadRunState(
  checkpoint: string,
  config: TrainConfig,
  data: TrainingData,
): Promise<{ state: RunState; optimizer: AdamWState }> {
  const { state, optimizer } = await loadCheckpointState(checkpoint);
  const saved = parseRunState(runStateSchema, state, checkpoint);
  checkSameSettings(saved.config, trainConfigToJson(config), FREE_TO_CHANGE, checkpoint);
  if (saved.data_hash !== data.hash) {
    const fix = "Restore the data, or start anew without --resume.";
    throw resumeMismatch("the training data or its scores changed", fix, checkpoint);
  }
  if (saved.reference_hash !== data.referenceHash) {
    const fix = "Restore the base model, or start anew without --resume.";
    throw resumeMismatch("the base model, which is the loss's reference, changed", fix, checkpoint);
  }
  return { state: saved, optimizer };
}
