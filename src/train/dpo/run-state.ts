// What a checkpoint keeps of a run beside weights and optimizer, and whether a run may go on from it: the same settings and data give
// the same curve, others do not.

import { z } from "zod";
import { ArtifactError, InputError } from "../../shared/errors.ts";
import { loadCheckpointState } from "../checkpoint.ts";
import type { AdamWState } from "../optim/adamw.ts";
import { type TrainConfig, trainConfigToJson } from "../run-config.ts";
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
  const parsed = runStateSchema.safeParse(state);
  if (!parsed.success) {
    throw new ArtifactError({
      code: "bad_checkpoint",
      what: "the run's state is damaged",
      where: checkpoint,
      fix: "Delete this checkpoint and resume again.",
      cause: parsed.error,
    });
  }
  checkSameRun(parsed.data, config, data, checkpoint);
  return { state: parsed.data, optimizer };
}

function checkSameRun(saved: RunState, config: TrainConfig, data: TrainingData, where: string): void {
  for (const [name, value] of Object.entries(trainConfigToJson(config))) {
    if (FREE_TO_CHANGE.has(name) || JSON.stringify(saved.config[name]) === JSON.stringify(value)) continue;
    throw new InputError({
      code: "resume_mismatch",
      what: `"${name}" is ${JSON.stringify(value)}, the run to resume had ${JSON.stringify(saved.config[name])}`,
      where,
      fix: "Resume with the same settings, or start anew without --resume.",
    });
  }
  if (saved.data_hash !== data.hash) {
    throw new InputError({
      code: "resume_mismatch",
      what: "the training data or its scores changed",
      where,
      fix: "Restore the data, or start anew without --resume.",
    });
  }
  if (saved.reference_hash !== data.referenceHash) {
    throw new InputError({
      code: "resume_mismatch",
      what: "the base model, which is the loss's reference, changed",
      where,
      fix: "Restore the base model, or start anew without --resume.",
    });
  }
}
