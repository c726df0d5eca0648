// What may be asked of a generation, the same for every route: TGI's parameters, held to one schema, and what they mean to the engine.
// As in TGI, temperature, top_k or top_p switch sampling on; temperature 0 means greedy; `null` is the same as absent.
// https://huggingface.github.io/text-generation-inference/

import { z } from "zod";
import type { SamplingOptions } from "../../shared/sampling.ts";
import type { GenerateOptions } from "../engine/generate.ts";

/** Candidates that one request may draw. */
export const MAX_CANDIDATES = 8;
const SEEDS = 2 ** 32;

/** Fields of TGI that are accepted only where they ask for nothing. */
const unsupported = z.union([z.null(), z.literal(false)], { error: "is not supported" }).optional();

export const parametersSchema = z.strictObject({
  max_new_tokens: z.int().positive().nullish(),
  temperature: z.number().nonnegative().max(100).nullish(),
  top_k: z.int().positive().nullish(),
  top_p: z.number().positive().max(1).nullish(),
  do_sample: z.boolean().nullish(),
  seed: z.int().nonnegative().nullish(),
  stop: z.array(z.string().min(1).max(64)).max(4).nullish(),
  repetition_penalty: z.number().positive().max(100).nullish(),
  best_of: z.int().positive().max(MAX_CANDIDATES).nullish(),
  details: z.boolean().nullish(),
  adapter_id: unsupported,
  decoder_input_details: unsupported,
  frequency_penalty: unsupported,
  grammar: unsupported,
  return_full_text: z.boolean().nullish().describe("Put the prompt before the text."),
  score_steps: z.boolean().nullish().describe("Also score the steps of what was written."),
  top_n_tokens: z.int().nonnegative().max(5).nullish().describe("With `details`: the likeliest tokens at each place."),
  truncate: unsupported,
  typical_p: unsupported,
  watermark: unsupported,
});

export type Parameters = z.output<typeof parametersSchema>;

/** The sampling that the parameters ask for. */
export function samplingOf(
  parameters: Pick<Parameters, "do_sample" | "temperature" | "top_k" | "top_p">,
): SamplingOptions {
  const { do_sample: doSample, temperature, top_k: topK, top_p: topP } = parameters;
  const asked = doSample === true || [temperature, topK, topP].some((value) => value !== undefined && value !== null);
  return { doSample: asked && temperature !== 0, temperature: temperature ?? 1, topK: topK ?? 0, topP: topP ?? 1 };
}

/** A seed for a request that names none. */
export function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}

/** What the parameters mean to the engine. */
export function generateOptionsOf(prompt: string, parameters: Parameters): GenerateOptions {
  return {
    prompt,
    maxNewTokens: parameters.max_new_tokens ?? undefined,
    sampling: samplingOf(parameters),
    seed: (parameters.seed ?? randomSeed()) % SEEDS,
    stop: parameters.stop ?? [],
    repetitionPenalty: parameters.repetition_penalty ?? 1,
    candidates: parameters.best_of ?? 1,
    topTokens: parameters.top_n_tokens ?? undefined,
  };
}
