// The record of PRM800K (github.com/openai/prm800k), as far as it is read here.

import { z } from "zod";

const completion = z.object({ text: z.string(), rating: z.number().nullish(), flagged: z.boolean().nullish() });

const step = z.object({
  completions: z.array(completion).nullish(),
  human_completion: z.union([z.object({ text: z.string() }), z.string().transform((text) => ({ text }))]).nullish(),
  chosen_completion: z.number().int().nullish(),
});
export type Prm800kStep = z.infer<typeof step>;

export const prm800kSchema = z.object({
  question: z.object({ problem: z.string() }),
  label: z.object({ steps: z.array(step), finish_reason: z.string().nullish() }),
});
