// POST /v1/completions: the policy as a completion model of OpenAI's API, for one prompt or a list of them.
// https://platform.openai.com/docs/api-reference/completions

import { z } from "zod";
import { InputError } from "../../../shared/errors.ts";
import { joinUnknown } from "../../../shared/unknown-characters.ts";
import type { Candidate, GenerateOptions } from "../../engine/generate.ts";
import type { AppDeps } from "../../http/app-env.ts";
import type { Call } from "../../http/call.ts";
import { type FieldNames, namingFields } from "../../http/field-names.ts";
import { firstFailureAborts } from "../../http/first-failure.ts";
import { generateOptionsOf, parametersSchema } from "../generate-parameters.ts";
import { text } from "../text.ts";
import { warningsOf } from "../unknown-warning.ts";
import { completionLogprobs } from "./logprobs.ts";
import { checkModelName } from "./model-name.ts";
import { checkTogether, commonShape, off, parametersOf, searches, stopsOf } from "./schema.ts";
import { choicesOf, scoresOf, usageOfAll, votesOf } from "./solutions.ts";
import { beforeStop } from "./stop-text.ts";

const MAX_PROMPTS = 16;
/** Candidates of all prompts together. */
const MAX_ROWS = 32;

export const completionsSchema = z
  .strictObject({
    ...commonShape,
    prompt: z.union([text, z.array(text).min(1).max(MAX_PROMPTS)], {
      error: `must be a text, or a list of up to ${MAX_PROMPTS} texts; token ids are not taken`,
    }),
    max_tokens: commonShape.max_tokens.describe("16 by default, as at OpenAI."),
    logprobs: z
      .union([z.int().nonnegative(), z.literal(false)])
      .refine((count) => count === false || count <= 5, "is more than 5")
      .nullish()
      .describe("Log-probabilities of the tokens, and so many of the likeliest."),
    echo: z
      .union([z.null(), z.literal(false)], {
        error:
          "is not supported: an encoder-decoder reads the prompt in its encoder, which gives its tokens no log-probabilities; POST /score with `return_logprobs` gives those of a completion",
      })
      .optional(),
    suffix: off,
    return_full_text: parametersSchema.shape.return_full_text,
    details: z.boolean().nullish().describe("Ignored: `logprobs` tells the tokens."),
    top_n_tokens: parametersSchema.shape.top_n_tokens.describe("Ignored, as `details` is."),
  })
  .superRefine(checkTogether);

export type CompletionsBody = z.output<typeof completionsSchema>;

/** What one prompt of the request asks of the engine. */
export interface PromptJob {
  prompt: string;
  options: GenerateOptions;
  /** What the caller calls the engine's fields. */
  names: FieldNames;
}

/** One job a prompt; throws InputError for more candidates than one request may draw. */
export function jobsOf(body: CompletionsBody): PromptJob[] {
  const prompts = typeof body.prompt === "string" ? [body.prompt] : body.prompt;
  const rows = rowsOf(body);
  if (prompts.length * rows > MAX_ROWS) {
    throw new InputError({
      code: "bad_request",
      what: `${prompts.length} prompts with ${rows} candidates each, the limit is ${MAX_ROWS} together`,
      where: 'field "prompt"',
      fix: "Send fewer at a time.",
    });
  }
  const { logprobs, echo, suffix, prompt, details, top_n_tokens, ...common } = body;
  const parameters = { ...parametersOf({ ...common, max_tokens: body.max_tokens ?? 16 }) };
  const topTokens = typeof logprobs === "number" ? logprobs : undefined;
  return prompts.map((one, at) => ({
    prompt: one,
    options: { ...generateOptionsOf(one, parameters), topTokens },
    names: { prompt: typeof prompt === "string" ? "prompt" : `prompt[${at}]`, max_new_tokens: "max_tokens" },
  }));
}

/** Rows that are written for each prompt at a time. */
function rowsOf(body: CompletionsBody): number {
  if (!searches(body)) return body.best_of ?? body.n ?? 1;
  return body.search ? body.search.width * body.search.expand : (body.num_beams ?? 1);
}

/** Whether the answer lists tokens. */
export function wantsLogprobs({ logprobs }: CompletionsBody): boolean {
  return typeof logprobs === "number";
}

/** OpenAI's name of why the text ended. */
export function finishReason({ finishReason: reason }: Candidate): "length" | "stop" {
  return reason === "length" ? "length" : "stop";
}

/** The head of every answer and chunk. Throws HttpError 404 for another model's name. */
export async function headOf(deps: AppDeps, body: CompletionsBody, call: Call) {
  const models = await deps.engine.load();
  checkModelName(body.model, models, call);
  return {
    id: `cmpl-${call.requestId}`,
    object: "text_completion" as const,
    created: Math.floor(Date.now() / 1000),
    model: models.policy.manifest.model,
  };
}

/** Completes the prompts of a body that was checked. Throws what the engine throws; one prompt that fails stops the others. */
export async function completionsResult(deps: AppDeps, body: CompletionsBody, call: Call) {
  const jobs = jobsOf(body);
  const head = await headOf(deps, body, call);
  const details = wantsLogprobs(body);
  const found = await firstFailureAborts(call, jobs, ({ options, names }) =>
    namingFields(names, () => choicesOf(deps, call, options, { body, details })),
  );
  const n = body.n ?? 1;
  const start = (index: number) => (body.return_full_text === true ? (jobs[index]?.prompt ?? "") : "");
  const choices = found.flatMap((solved, at) =>
    solved.solutions.map((solution, place) => {
      const { candidate, tokens } = solution;
      const kept = beforeStop(candidate.text, candidate.finishReason === "stop_sequence" ? stopsOf(body) : []);
      return {
        index: at * n + place,
        text: start(at) + kept,
        logprobs: details ? completionLogprobs(tokens, kept.length, start(at).length) : null,
        finish_reason: finishReason(candidate),
        ...scoresOf(solution),
        ...(place === 0 && votesOf(solved)),
      };
    }),
  );
  const unknown = joinUnknown(found.map((solved) => solved.unknown));
  return { ...head, choices, usage: usageOfAll(found), ...warningsOf(unknown) };
}
