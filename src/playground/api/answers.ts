// What the API answers, as far as the page reads it (docs/api.md). zod's small form: the checks are the types.

import * as z from "zod/mini";

const scoredStep = z.object({ index: z.number(), text: z.string(), score: z.number() });
const topToken = z.object({ text: z.string(), logprob: z.number() });
const token = z.object({ text: z.string(), logprob: z.number(), special: z.boolean() });

export const tokenEvent = z.object({
  token,
  top_tokens: z.optional(z.array(topToken)),
  generated_text: z.nullable(z.string()),
  details: z.nullable(
    z.object({ finish_reason: z.string(), generated_tokens: z.number(), seed: z.nullable(z.number()) }),
  ),
});
export type TokenEvent = z.infer<typeof tokenEvent>;
export const stepEvent = scoredStep;
export type ScoredStep = z.infer<typeof scoredStep>;
export const queueEvent = z.object({ position: z.number() });

const scoredCompletion = z.object({
  score: z.number(),
  steps: z.array(scoredStep),
  logprobs: z.optional(z.object({ tokens: z.array(z.string()), token_logprobs: z.array(z.number()) })),
});
export const scoreAnswer = z.object({ data: z.array(scoredCompletion) });
export type ScoredCompletion = z.infer<typeof scoredCompletion>;

const model = z.object({
  id: z.string(),
  created: z.string(),
  dtype: z.string(),
  vocab_size: z.number(),
  max_source_tokens: z.number(),
  max_target_tokens: z.number(),
  files: z.array(z.object({ path: z.string(), bytes: z.number(), sha256: z.string() })),
});
export const infoAnswer = z.object({
  model_id: z.string(),
  policy: model,
  reward: z.extend(model, { type: z.string() }),
  template_version: z.string(),
  aggregation: z.enum(["mean", "sum", "min", "prod", "last"]),
  judge_context: z.string(),
  max_body_bytes: z.number(),
  max_waiting_requests: z.number(),
});
export type Info = z.infer<typeof infoAnswer>;

/** What any answer, or the last event of a stream, may tell beside its own. */
export const warned = z.object({
  warnings: z.array(z.object({ code: z.literal("unknown_characters"), characters: z.array(z.string()) })),
});

export const errorAnswer = z.object({ error: z.string(), error_type: z.optional(z.string()) });
