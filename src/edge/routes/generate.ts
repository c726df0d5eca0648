// POST /generate: `{prompt}` or the body of Hugging Face's text-generation-inference (TGI), `{inputs, parameters}`.
// As in TGI, temperature, top_k or top_p switch sampling on; temperature 0 means greedy; `null` is the same as absent.
// https://huggingface.github.io/text-generation-inference/

import type { Context } from "hono";
import { z } from "zod";
import type { Candidate } from "../engine/generate.ts";
import type { AppDeps, AppEnv } from "../http/app-env.ts";
import { readJson } from "../http/read-json.ts";
import { generateOptionsOf, parametersSchema, samplingOf } from "./generate-parameters.ts";
import { pauseFor } from "./pause.ts";
import { text } from "./text.ts";

const unsupported = z.union([z.null(), z.literal(false)], { error: "is not supported" }).optional();

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
    const options = generateOptionsOf(body.prompt ?? body.inputs ?? "", parameters);
    const generation = await engine.generate({ ...options, pause: pauseFor(c) });
    const [best, ...others] = [...generation.candidates].sort((a, b) => totalLogp(b) - totalLogp(a));
    if (best === undefined) throw new TypeError("the engine returned no candidate");
    const completionTokens = generation.candidates.reduce((sum, { ids }) => sum + ids.length, 0);
    metrics.add("stepwise_prompt_tokens_total", generation.promptTokens);
    metrics.add("stepwise_generated_tokens_total", completionTokens);
    const seedUsed = options.sampling.doSample ? options.seed : null;
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
