// POST /generate and POST /: `{prompt}` or the body of Hugging Face's text-generation-inference (TGI), `{inputs, parameters}`.
// https://huggingface.github.io/text-generation-inference/

import { z } from "zod";
import type { Candidate, GeneratedToken, Generation } from "../engine/generate.ts";
import type { AppDeps } from "../http/app-env.ts";
import type { Call } from "../http/call.ts";
import { meter } from "../http/meter.ts";
import { generateOptionsOf, parametersSchema, samplingOf } from "./generate-parameters.ts";
import { type StepScore, scoreTexts } from "./step-scores.ts";
import { text } from "./text.ts";
import { createTokenLog } from "./tokens.ts";

export const generateSchema = z
  .strictObject({
    prompt: text.optional().describe("The prompt."),
    inputs: text.optional().describe("The prompt, under TGI's name."),
    parameters: parametersSchema.nullish(),
    stream: z.boolean().nullish().describe("Answer with server-sent events."),
  })
  .superRefine((body, ctx) => {
    if ((body.prompt === undefined) === (body.inputs === undefined)) {
      ctx.addIssue({ code: "custom", path: ["prompt"], message: "send either `prompt` or `inputs`" });
    }
    const parameters = body.parameters ?? {};
    if ((parameters.best_of ?? 1) > 1 && !samplingOf(parameters).doSample) {
      const message = "needs sampling: set do_sample or temperature";
      ctx.addIssue({ code: "custom", path: ["parameters", "best_of"], message });
    }
  });

export type GenerateBody = z.output<typeof generateSchema>;

/** The prompt under either name. */
export function promptOf(body: GenerateBody): string {
  return body.prompt ?? body.inputs ?? "";
}

/** One token, as TGI tells it. */
export function tgiToken({ id, text: added, logp, special }: GeneratedToken) {
  return { id, text: added, logprob: logp, special };
}

function details(candidate: Candidate, tokens: readonly GeneratedToken[], seed: number | null) {
  return {
    finish_reason: candidate.finishReason,
    generated_tokens: candidate.ids.length,
    seed,
    prefill: [],
    tokens: tokens.map(tgiToken),
    ...(tokens.some(({ topTokens }) => topTokens !== undefined) && { top_tokens: tokens.map(tgiTopTokens) }),
  };
}

/** The likeliest tokens at a place, as TGI tells them. */
export function tgiTopTokens({ topTokens = [] }: GeneratedToken) {
  return topTokens.map(({ id, text: added, logp }) => ({ id, text: added, logprob: logp, special: false }));
}

function totalLogp(candidate: Candidate): number {
  return candidate.tokenLogps.reduce((sum, logp) => sum + logp, 0);
}

/** Tokens of prompt and completions. */
export function usageOf({ promptTokens, candidates }: Generation) {
  const completionTokens = candidates.reduce((sum, { ids }) => sum + ids.length, 0);
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}

/** Generates for a body that was checked. Throws what the engine throws. */
export async function generateResult(deps: AppDeps, body: GenerateBody, call: Call) {
  const parameters = body.parameters ?? {};
  const prompt = promptOf(body);
  const options = generateOptionsOf(prompt, parameters);
  const log = parameters.details === true ? createTokenLog() : undefined;
  const generation = await deps.engine.generate({ ...options, signal: call.signal, onToken: log?.onToken });
  const usage = usageOf(generation);
  meter(deps, call, { promptTokens: usage.prompt_tokens, completionTokens: usage.completion_tokens });
  const order = generation.candidates
    .map((candidate, row) => ({ candidate, row }))
    .sort((a, b) => totalLogp(b.candidate) - totalLogp(a.candidate));
  const texts = order.map(({ candidate }) => candidate.text);
  const scores = parameters.score_steps === true ? await scoreTexts(deps, call, prompt, texts) : [];
  const [best, ...others] = order;
  if (best === undefined) throw new TypeError("the engine returned no candidate");
  const start = parameters.return_full_text === true ? prompt : "";
  const seed = options.sampling.doSample ? options.seed : null;
  return {
    generated_text: start + best.candidate.text,
    finish_reason: best.candidate.finishReason,
    model: generation.model,
    usage,
    ...scored(scores[0]),
    ...(log !== undefined && {
      details: {
        ...details(best.candidate, log.of(best.row), seed),
        ...(others.length > 0 && {
          best_of_sequences: others.map(({ candidate, row }, index) => ({
            generated_text: start + candidate.text,
            ...details(candidate, log.of(row), seed),
            ...scored(scores[index + 1]),
          })),
        }),
      },
    }),
  };
}

function scored(scores: { score: number | null; steps: StepScore[] } | undefined) {
  return scores ?? {};
}
