// What may be asked of a generation, the same for every route: TGI's parameters, held to one schema, and what they mean to the engine.
// As in TGI, temperature, top_k or top_p switch sampling on; temperature 0 means greedy; `null` is the same as absent.
// https://huggingface.github.io/text-generation-inference/

import { z } from "zod";
import type { LogitSettings, SamplingOptions } from "../../shared/sampling.ts";
import type { GenerateOptions } from "../engine/generate.ts";

/** Candidates that one request may draw. */
export const MAX_CANDIDATES = 8;
const SEEDS = 2 ** 32;

/** Fields of TGI that are accepted only where they ask for nothing. */
const unsupported = z.union([z.null(), z.literal(false)], { error: "is not supported" }).optional();

const MAX_TIME_S = 120;
const MAX_BIASES = 256;
const logitBias = z
  .record(z.string().regex(/^\d{1,7}$/, "must be a token id"), z.number().min(-100).max(100))
  .refine((biases) => Object.keys(biases).length <= MAX_BIASES, `has more than ${MAX_BIASES} tokens`);

export const parametersSchema = z.strictObject({
  max_new_tokens: z.int().positive().nullish(),
  temperature: z.number().nonnegative().max(100).nullish(),
  top_k: z.int().positive().nullish(),
  top_p: z.number().positive().max(1).nullish(),
  do_sample: z.boolean().nullish(),
  seed: z.int().nonnegative().nullish(),
  random_stream: z
    .tuple([
      z
        .int()
        .nonnegative()
        .max(SEEDS - 1),
      z
        .int()
        .nonnegative()
        .max(SEEDS - 1),
    ])
    .nullish()
    .describe("Problem and first sample of a rollout: with its seed, draws what the rollout draws."),
  stop: z.array(z.string().min(1).max(64)).max(4).nullish(),
  typical_p: z.number().positive().max(1).nullish(),
  min_p: z.number().min(0).max(1).nullish().describe("Least probability, as a share of the likeliest token's."),
  repetition_penalty: z.number().min(0.01).max(100).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  no_repeat_ngram_size: z.int().nonnegative().max(64).nullish(),
  logit_bias: logitBias.nullish().describe("Added to the logits, by token id."),
  min_new_tokens: z.int().nonnegative().nullish(),
  stop_token_ids: z.array(z.int().nonnegative()).max(8).nullish(),
  max_time: z.number().positive().max(MAX_TIME_S).nullish().describe("Seconds after which the text ends."),
  best_of: z.int().positive().max(MAX_CANDIDATES).nullish(),
  details: z.boolean().nullish(),
  adapter_id: unsupported,
  decoder_input_details: unsupported,
  grammar: unsupported,
  return_full_text: z.boolean().nullish().describe("Put the prompt before the text."),
  score_steps: z.boolean().nullish().describe("Also score the steps of what was written."),
  top_n_tokens: z.int().nonnegative().max(5).nullish().describe("With `details`: the likeliest tokens at each place."),
  truncate: z.union([z.null(), z.literal(false)], { error: "is not supported: a prompt is never cut" }).optional(),
  watermark: unsupported,
});

export type Parameters = z.output<typeof parametersSchema>;

/** The sampling that the parameters ask for. */
export function samplingOf(
  parameters: Pick<Parameters, "do_sample" | "temperature" | "top_k" | "top_p" | "min_p" | "typical_p">,
): SamplingOptions {
  const { do_sample: doSample, temperature, top_k: topK, top_p: topP, min_p: minP, typical_p: typicalP } = parameters;
  const settings = [temperature, topK, topP, minP, typicalP];
  const asked = doSample === true || settings.some((value) => value !== undefined && value !== null);
  return {
    doSample: asked && (temperature ?? 1) >= LEAST_TEMPERATURE,
    temperature: temperature ?? 1,
    topK: topK ?? 0,
    topP: topP ?? 1,
    ...(typeof minP === "number" && { minP }),
    ...(typeof typicalP === "number" && { typicalP }),
  };
}

/** Below it the likeliest token always wins, and logits divided by it are no numbers any more. */
const LEAST_TEMPERATURE = 1e-4;

/** A seed for a request that names none. */
function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}

/** What the parameters mean to the engine. */
export function generateOptionsOf(prompt: string, parameters: Parameters): GenerateOptions {
  return {
    prompt,
    maxNewTokens: parameters.max_new_tokens ?? undefined,
    sampling: samplingOf(parameters),
    seed: (parameters.seed ?? randomSeed()) % SEEDS,
    stream: parameters.random_stream ?? undefined,
    stop: parameters.stop ?? [],
    repetitionPenalty: parameters.repetition_penalty ?? 1,
    candidates: parameters.best_of ?? 1,
    ...logitSettingsOf(parameters),
    stopIds: parameters.stop_token_ids ?? [],
    maxTimeMs: typeof parameters.max_time === "number" ? parameters.max_time * 1000 : undefined,
    topTokens: parameters.top_n_tokens ?? undefined,
  };
}

function logitSettingsOf(parameters: Parameters): Omit<LogitSettings, "repetitionPenalty"> {
  const { logit_bias: bias } = parameters;
  return {
    frequencyPenalty: parameters.frequency_penalty ?? 0,
    presencePenalty: parameters.presence_penalty ?? 0,
    noRepeatNgramSize: parameters.no_repeat_ngram_size ?? 0,
    minNewTokens: parameters.min_new_tokens ?? 0,
    logitBias: new Map(Object.entries(bias ?? {}).map(([id, value]) => [Number(id), value])),
  };
}
