// What a checkpoint of a DPO run keeps beside weights and optimizer, and what a run must share with the one that it goes on from.

import { z } from "zod";
import type { AdamWState } from "../../optim/adamw.ts";
import { loadRunState, newRunState, runStateSchema } from "../run/run-state.ts";
import { settingsToJson } from "../run/settings.ts";
import type { TrainConfig } from "./config.ts";
import type { TrainingData } from "./data.ts";
import { figuresSchema, NO_FIGURES } from "./figures.ts";

const dpoStateSchema = runStateSchema(figuresSchema).extend({
  data_hash: z.string(),
  /** Hash of the frozen start that the reference log-probs come from; null without a reference. */
  reference_hash: z.string().nullable(),
  /** Completions from before the first step. */
  samples: z.array(z.object({ prompt: z.string(), completion: z.string() })),
});
/** May differ between a run and its resumption, beside what may in every run. */
export const FREE_SETTINGS = ["sample_prompts", "gradient_checkpointing", "workers"];

export type DpoState = z.infer<typeof dpoStateSchema>;

/** The state of a run at step 0. */
export function newDpoState(config: TrainConfig, data: TrainingData): DpoState {
  const state = newRunState(NO_FIGURES, settingsToJson(config));
  return { ...state, data_hash: data.hash, reference_hash: data.referenceHash, samples: [] };
}

/** State and optimizer of a checkpoint. Throws ArtifactError for a damaged one, InputError where settings, data or reference differ. */
export async function loadDpoState(
  checkpoint: string,
  config: TrainConfig,
  data: TrainingData,
): Promise<{ state: DpoState; optimizer: AdamWState }> {
  return loadRunState(checkpoint, dpoStateSchema, {
    config: settingsToJson(config),
    free: FREE_SETTINGS,
    same: [
      { field: "data_hash", hash: data.hash, name: "the training data or its scores", restore: "the data" },
      {
        field: "reference_hash",
        hash: data.referenceHash,
        name: "the base model, which is the loss's reference,",
        restore: "the base model",
      },
    ],
  });
}
