// The two record shapes that cross folders: preference pairs in, batch results out. snake_case as in the files.

import { z } from "zod";

/**
 * One preference pair; completions are steps separated by `\n`. Given scores replace the reward model's.
 * A step-level pair (Step-DPO) has a `prefix`: steps that are already written, shared by both sides; `chosen` and `rejected` continue it.
 * `unfinished`: the continuations stop before the solution's end, so that no end token follows them.
 */
export const pairSchema = z.object({
  prompt: z.string().min(1),
  prefix: z.string().min(1).optional(),
  unfinished: z.boolean().optional(),
  /** The side is a sample that the longest length cut: its writer set no end token, and none is learnt. */
  chosen_cut: z.boolean().optional(),
  rejected_cut: z.boolean().optional(),
  chosen: z.string().min(1),
  rejected: z.string().min(1),
  chosen_score: z.number().optional(),
  rejected_score: z.number().optional(),
  /** One a step of the side, its own steps only: for losses that read every step. */
  chosen_step_scores: z.array(z.number()).optional(),
  rejected_step_scores: z.array(z.number()).optional(),
  /** The same for the clipped policy gradient, where a side is a sample of a larger group (`npm run train -- --online`). */
  chosen_advantages: z.array(z.number()).optional(),
  rejected_advantages: z.array(z.number()).optional(),
});
export type Pair = z.infer<typeof pairSchema>;

/** Columns of the batch results, in file order. */
export const RESULT_COLUMNS = ["prompt", "model_output", "chosen_score", "rejected_score", "preferred"] as const;

export const resultSchema = z.object({
  prompt: z.string(),
  model_output: z.string(),
  chosen_score: z.number(),
  rejected_score: z.number(),
  preferred: z.enum(["chosen", "rejected"]),
});
export type ResultRecord = z.infer<typeof resultSchema>;
