// The two record shapes that cross folders: preference pairs in, batch results out. snake_case as in the files.

import { z } from "zod";

/** One preference pair; completions are steps separated by `\n`. Given scores replace the reward model's. */
export const pairSchema = z.object({
  prompt: z.string().min(1),
  chosen: z.string().min(1),
  rejected: z.string().min(1),
  chosen_score: z.number().optional(),
  rejected_score: z.number().optional(),
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
