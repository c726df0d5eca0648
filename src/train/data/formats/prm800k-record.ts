// The record of PRM800K (github.com/openai/prm800k), as far as it is read here.

import { z } from "zod";
import { isObject, parseRecord } from "../bad-record.ts";
import type { Format } from "./parsed.ts";

const completion = z.object({ text: z.string(), rating: z.number().nullish(), flagged: z.boolean().nullish() });

const step = z.object({
  completions: z.array(completion).nullish(),
  human_completion: z.union([z.object({ text: z.string() }), z.string().transform((text) => ({ text }))]).nullish(),
  chosen_completion: z.number().int().nullish(),
});
export type Prm800kStep = z.infer<typeof step>;

const prm800kSchema = z.object({
  question: z.object({
    problem: z.string(),
    ground_truth_answer: z.union([z.string(), z.number()]).transform(String).nullish(),
  }),
  label: z.object({ steps: z.array(step), finish_reason: z.string().nullish() }),
});
export type Prm800kRecord = z.infer<typeof prm800kSchema>;

export const prm800kFormat: Format = {
  name: "prm800k",
  matches: (record) => isObject(record.label) && "steps" in record.label,
  parse: (record) => ({ kind: "prm800k", record: parseRecord(prm800kSchema, record) }),
};
