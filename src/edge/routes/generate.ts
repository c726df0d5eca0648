// POST /generate and POST /: `{prompt}` or the body of Hugging Face's text-generation-inference (TGI), `{inputs, parameters}`.
// https://huggingface.github.io/text-generation-inference/

import { z } from "zod";
import type { Candidate, GeneratedToken, GenerateOptions } from "../engine/generate.ts";
import type { AppDeps } from "../http/app-env.ts";
import type { Call } from "../http/call.ts";
import { type FieldNames, namingFields } from "../http/field-names.ts";
import { searchConflict, searchShape } from "../search/parameters.ts";
import { type Solutions, type Solved, solve } from "../search/solve.ts";
import { generateOptionsOf, parametersSchema, samplingOf } from "./generate-parameters.ts";
import { text } from "./text.ts";
import { unknownTokens, warningsOf } from "./unknown-warning.ts";

/** TGI's parameters, and how several solutions are found and ranked. */
const generateParametersSchema = z.strictObject({
  ...parametersSchema.shape,
  ...searchShape,
  queue_position: z.boolean().nullish().describe("In a stream: also events named queue, with the place in the line."),
  prefix: z.string().nullish().describe("What the text already begins with; it goes on from there."),
});

export const generateSchema = z
  .strictObject({
    prompt: text.optional().describe("The prompt."),
    inputs: text.optional().describe("The prompt, under TGI's name."),
    parameters: generateParametersSchema.nullish(),
    stream: z.boolean().nullish().describe("Answer with server-sent events."),
  })
  .superRefine((body, ctx) => {
    if ((body.prompt === undefined) === (body.inputs === undefined)) {
      ctx.addIssue({ code: "custom", path: ["prompt"], message: "send either `prompt` or `inputs`" });
    }
    const parameters = body.parameters ?? {};
    const conflict = searchConflict(parameters, samplingOf(parameters).doSample);
    if (conflict === undefined) return;
    ctx.addIssue({ code: "custom", path: ["parameters", conflict.field], message: conflict.message });
  });

export type GenerateBody = z.output<typeof generateSchema>;

/** The prompt under either name. */
export function promptOf(body: GenerateBody): string {
  return body.prompt ?? body.inputs ?? "";
}

/** What the caller calls the engine's fields. */
export function fieldNamesOf(body: GenerateBody): FieldNames {
  const own = ["max_new_tokens", "prefix", "score_steps", "search"].map((name): [string, string] => [
    name,
    `parameters.${name}`,
  ]);
  return { ...Object.fromEntries(own), prompt: body.inputs === undefined ? "prompt" : "inputs" };
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
  return topTokens.map(({ id, text: added, logp, special }) => ({ id, text: added, logprob: logp, special }));
}

/** Generates for a body that was checked. Throws what the engine throws. */
export async function generateResult(deps: AppDeps, body: GenerateBody, call: Call) {
  const parameters = body.parameters ?? {};
  const prompt = promptOf(body);
  const options = optionsOf(prompt, parameters);
  const solved = await namingFields(fieldNamesOf(body), () => solve(deps, call, options, parameters));
  return answerOf(body, solved, options.seed);
}

/** The whole answer of solutions that were found. */
export function answerOf(body: GenerateBody, solved: Solutions, drawnSeed: number) {
  const parameters = body.parameters ?? {};
  const { model, promptTokens, completionTokens, unknown, solutions, tally, rounds } = solved;
  const [best, ...others] = solutions;
  if (best === undefined) throw new TypeError("the engine returned no candidate");
  const start = parameters.return_full_text === true ? promptOf(body) : "";
  const seed = isDrawn(parameters) ? drawnSeed : null;
  const textOf = ({ candidate, scores }: Solved) => ({
    generated_text: start + candidate.text,
    finish_reason: candidate.finishReason,
    ...(candidate.beamScore !== undefined && { beam_score: candidate.beamScore }),
    ...scores,
  });
  return {
    ...textOf(best),
    model,
    usage: {
      prompt_tokens: promptTokens,
      completion_tokens: completionTokens,
      total_tokens: promptTokens + completionTokens,
      ...unknownTokens(unknown),
    },
    ...warningsOf(unknown),
    ...((parameters.n ?? 1) > 1 && { sequences: solutions.slice(0, parameters.n ?? 1).map(textOf) }),
    ...(tally.length > 0 && { votes: tally }),
    ...(rounds !== undefined && { search: { rounds, tokens: completionTokens } }),
    ...(parameters.details === true && {
      details: {
        ...details(best.candidate, best.tokens, seed),
        ...(others.length > 0 && {
          best_of_sequences: others.map(({ candidate, tokens, scores }) => ({
            generated_text: start + candidate.text,
            ...details(candidate, tokens, seed),
            ...scores,
          })),
        }),
      },
    }),
  };
}

/** What the engine is asked. */
export function optionsOf(prompt: string, parameters: z.output<typeof generateParametersSchema>): GenerateOptions {
  return { ...generateOptionsOf(prompt, parameters), prefix: parameters.prefix ?? undefined };
}

/** Whether the seed decides: where something is sampled, and in every step search. */
export function isDrawn(parameters: z.output<typeof generateParametersSchema>): boolean {
  return samplingOf(parameters).doSample || (parameters.search ?? null) !== null;
}
