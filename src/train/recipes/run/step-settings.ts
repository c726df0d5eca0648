// Settings that every training of pairs or solutions has, and what each may be. Defaults are each recipe's own.

import { z } from "zod";

export const count = z.number().int().positive();
export const fraction = z.number().min(0).lt(1);

/** How long, in what portions and at which rate it learns. */
export const LEARNING_SETTINGS = {
  numTrainEpochs: z.number().positive(),
  /** Optimizer steps; -1: as many as the epochs have. */
  maxSteps: z.union([z.literal(-1), count]),
  /** Pairs, or solutions, of a forward pass. */
  perDeviceTrainBatchSize: count,
  gradientAccumulationSteps: count,
  /** Processes that share what a step computes: for models too small to keep the cores busy. */
  workers: count,
  learningRate: z.number().positive(),
  /** Share of all steps; used only when warmupSteps is 0. */
  warmupRatio: fraction,
  warmupSteps: z.number().int().nonnegative(),
  weightDecay: z.number().nonnegative(),
  /** 0: no clipping. */
  maxGradNorm: z.number().nonnegative(),
};

/** How much of a question and an answer is read, in tokens; longer ones are left out. */
export const LENGTH_SETTINGS = { maxPromptLength: count, maxCompletionLength: count };

/** How often it tells, keeps and measures, in optimizer steps. */
export const INTERVAL_SETTINGS = {
  loggingSteps: count,
  saveSteps: count,
  /** Checkpoints kept, the newest; null: all. */
  saveTotalLimit: count.nullable(),
  /** null: evaluate before the first step and after the last only. */
  evalSteps: count.nullable(),
};
