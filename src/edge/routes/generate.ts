// POST /generate: `{prompt}` or the body of Hugging Face's text-generation-inference (TGI), `{inputs, parameters}`.
// As in TGI, temperature, top_k or top_p switch sampling on; temperature 0 means greedy; `null` is the same as absent.
// https://huggingface.github.io/text-generation-inference/

import type { Context } from "hono";
import { z } from "zod";
import type { SamplingOptions } from "../../shared/sampling.ts";
import type { Candidate } from "../engine/generate.ts";
import type { AppDeps, AppEnv } from "../http/app-env.ts";
import { readJson } from "../http/read-json.ts";
import { pauseFor } from "./pause.ts";
import { text } from "./text.ts";

export const MAX_CANDIDATES = 8;
const SEEDS = 2 ** 32;

/** Fields of TGI that are accepted only where they ask for nothing. */
const unsupported = z.union([z.null(), z.literal(false)], { error: "is not supported" }).optional();

const parametersSchema = z.strictObject({
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
  return_full_text: unsupported,
  top_n_tokens: unsupported,
  truncate: unsupported,
  typical_p: unsupported,
  watermark: unsupported,
});

export const generateSchema = z
  .strictObject({
    prompt: text.optional().describe("The prompt."),
    inputs: text.optional().describe("The prompt, under TGI's name."),
    parameters: parametersSchema.nullish(),
    stream: unsupported,
  })
  .superRefine((body, ctx) => {
    if ((body.prompt === undefined) === (body.inputs === undefined)) {
      ctx.addIssue({ code: "custom", path: ["prompt"], message: "send either `prompt` or `inputs`" });
    }
    const { best_of: bestOf } = body.parameters ?? {};
    if ((bestOf ?? 1) > 1 && !samplingOf(body.parameters ?? {}).doSample) {
      ctx.addIssue({
        code: "custom",
        path: ["parameters", "best_of"],
        message: "needs sampling: set do_sample or temperature",
      });
    }
  });

type Parameters = z.output<typeof parametersSchema>;

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

function details(candidate: Candidate, seed: number | null) {
  return {
    finish_reason: candidate.finishReason,
    generated_tokens: candidate.ids.length,
    seed,
    prefill: [],
    tokens: candidate.ids.map((id, index) => ({
      id,
      text: candidate.tokenTexts[index] ?? "",
      logprob: candidate.tokenLogps[index] ?? null,
      special: candidate.finishReason === "eos_token" && index === candidate.ids.length - 1,
    })),
  };
}

function totalLogp(candidate: Candidate): number {
  return candidate.tokenLogps.reduce((sum, logp) => sum + logp, 0);
}

/** The handler of POST /generate. */
export function handleGenerate({ engine, settings, metrics }: AppDeps) {
  return async (c: Context<AppEnv>): Promise<Response> => {
    const body = await readJson(c, generateSchema, settings.MAX_BODY_BYTES);
    const parameters = body.parameters ?? {};
    const sampling = samplingOf(parameters);
    const seed = (parameters.seed ?? randomSeed()) % SEEDS;
    const generation = await engine.generate({
      prompt: body.prompt ?? body.inputs ?? "",
      maxNewTokens: parameters.max_new_tokens ?? undefined,
      sampling,
      seed,
      stop: parameters.stop ?? [],
      repetitionPenalty: parameters.repetition_penalty ?? 1,
      candidates: parameters.best_of ?? 1,
      tokenTexts: parameters.details === true,
      pause: pauseFor(c),
    });
    const [best, ...others] = [...generation.candidates].sort((a, b) => totalLogp(b) - totalLogp(a));
    if (best === undefined) throw new TypeError("the engine returned no candidate");
    const completionTokens = generation.candidates.reduce((sum, { ids }) => sum + ids.length, 0);
    metrics.add("stepwise_prompt_tokens_total", generation.promptTokens);
    metrics.add("stepwise_generated_tokens_total", completionTokens);
    const seedUsed = sampling.doSample ? seed : null;
    return c.json({
      generated_text: best.text,
      finish_reason: best.finishReason,
      model: generation.model,
      usage: {
        prompt_tokens: generation.promptTokens,
        completion_tokens: completionTokens,
        total_tokens: generation.promptTokens + completionTokens,
      },
      ...(parameters.details === true && {
        details: {
          ...details(best, seedUsed),
          ...(others.length > 0 && {
            best_of_sequences: others.map((other) => ({ generated_text: other.text, ...details(other, seedUsed) })),
          }),
        },
      }),
    });
  };
}
