// The cases of beam-search.json: what transformers' generate() found with num_beams, by golden model.

import { readFileSync } from "node:fs";
import { z } from "zod";

const caseSchema = z.object({
  prompt: z.array(z.number()),
  bias: z.number(),
  settings: z.strictObject({
    num_beams: z.number(),
    max_new_tokens: z.number(),
    length_penalty: z.number(),
    early_stopping: z.union([z.boolean(), z.literal("never")]),
    no_repeat_ngram_size: z.number().optional(),
    repetition_penalty: z.number().optional(),
    min_new_tokens: z.number().optional(),
  }),
  hypotheses: z.array(z.tuple([z.array(z.number()), z.number()])),
});
export type BeamCase = z.infer<typeof caseSchema>;

/** By model. */
export const BEAM_CASES: Readonly<Record<string, BeamCase[]>> = z
  .record(z.string(), z.array(caseSchema))
  .parse(z.object({ models: z.unknown() }).parse(JSON.parse(readFileSync(new URL("./beam-search.json", import.meta.url), "utf8"))).models);
