// POST /v1/completions: the policy as a completion model of OpenAI's API, for one prompt or a list of them.
// https://platform.openai.com/docs/api-reference/completions

import { z } from "zod";
import { InputError } from "../../../shared/errors.ts";
import type { Candidate, GenerateOptions, Generation } from "../../engine/generate.ts";
import type { AppDeps } from "../../http/app-env.ts";
import type { Call } from "../../http/call.ts";
import { firstFailureAborts } from "../../http/first-failure.ts";
import { meter } from "../../http/meter.ts";
import { usageOf } from "../generate.ts";
import { generateOptionsOf, MAX_CANDIDATES } from "../generate-parameters.ts";
import { text } from "../text.ts";
import { createTokenLog, type TokenLog } from "../tokens.ts";
import { completionLogprobs } from "./logprobs.ts";
import { checkModelName } from "./model-name.ts";
import { commonShape, off, parametersOf, stopsOf } from "./schema.ts";
import { beforeStop } from "./stop-text.ts";

const MAX_PROMPTS = 16;
/** Candidates of all prompts together. */
const MAX_ROWS = 32;

export const completionsSchema = z.strictObject({
  ...commonShape,
  prompt: z.union([text, z.array(text).min(1).max(MAX_PROMPTS)], {
    error: `must be a text, or a list of up to ${MAX_PROMPTS} texts; token ids are not taken`,
  }),
  max_tokens: commonShape.max_tokens.describe("16 by default, as at OpenAI."),
  best_of: z.int().positive().max(MAX_CANDIDATES).nullish().describe("Draw so many, answer with the `n` likeliest."),
  logprobs: z
    .union([z.int().nonnegative().max(5), z.literal(false)])
    .nullish()
    .describe("Log-probabilities of the tokens, and so many of the likeliest."),
  echo: z
    .union([z.null(), z.literal(false)], {
      error:
        "is not supported: an encoder-decoder reads the prompt in its encoder, which gives its tokens no log-probabilities",
    })
    .optional(),
  suffix: off,
});

export type CompletionsBody = z.output<typeof completionsSchema>;

/** What one prompt of the request asks of the engine. */
export interface PromptJob {
  prompt: string;
  options: GenerateOptions;
}

/** One job a prompt; throws InputError for more candidates than one request may draw. */
export function jobsOf(body: CompletionsBody): PromptJob[] {
  const n = body.n ?? 1;
  const bestOf = body.best_of ?? n;
  if (bestOf < n) throw wrong("best_of", `is less than n (${n})`, "Draw at least n.");
  const prompts = typeof body.prompt === "string" ? [body.prompt] : body.prompt;
  if (prompts.length * bestOf > MAX_ROWS) {
    const what = `${prompts.length} prompts with ${bestOf} candidates each, the limit is ${MAX_ROWS} together`;
    throw wrong("prompt", what, "Send fewer at a time.");
  }
  const { best_of, logprobs, echo, suffix, prompt, ...common } = body;
  const parameters = { ...parametersOf(common), max_new_tokens: body.max_tokens ?? 16, best_of: bestOf };
  return prompts.map((one) => ({
    prompt: one,
    options: { ...generateOptionsOf(one, parameters), topTokens: typeof logprobs === "number" ? logprobs : undefined },
  }));
}

/** Whether the answer lists tokens. */
export function wantsLogprobs({ logprobs }: CompletionsBody): boolean {
  return typeof logprobs === "number";
}

function wrong(field: string, what: string, fix: string): InputError {
  return new InputError({ code: "bad_request", what, where: `field "${field}"`, fix });
}

/** OpenAI's name of why the text ended. */
export function finishReason({ finishReason: reason }: Candidate): "length" | "stop" {
  return reason === "length" ? "length" : "stop";
}

/** Tokens of several generations together. */
export function usageOfAll(generations: readonly Generation[]) {
  const usages = generations.map(usageOf);
  const sum = (field: keyof (typeof usages)[number]) => usages.reduce((total, usage) => total + usage[field], 0);
  return {
    prompt_tokens: sum("prompt_tokens"),
    completion_tokens: sum("completion_tokens"),
    total_tokens: sum("total_tokens"),
  };
}

/** The head of every answer and chunk. */
export function headOf(deps: AppDeps, body: CompletionsBody, call: Call) {
  return deps.engine.load().then((models) => {
    checkModelName(body.model, models, call);
    return {
      id: `cmpl-${call.requestId}`,
      object: "text_completion" as const,
      created: Math.floor(Date.now() / 1000),
      model: models.policy.manifest.model,
    };
  });
}

/** Completes the prompts of a body that was checked. Throws what the engine throws; one prompt that fails stops the others. */
export async function completionsResult(deps: AppDeps, body: CompletionsBody, call: Call) {
  const head = await headOf(deps, body, call);
  const jobs = jobsOf(body);
  const logs = jobs.map(() => (wantsLogprobs(body) ? createTokenLog() : undefined));
  const generations = await runAll(deps, call, jobs, logs);
  const usage = usageOfAll(generations);
  meter(deps, call, { promptTokens: usage.prompt_tokens, completionTokens: usage.completion_tokens });
  const n = body.n ?? 1;
  const start = (index: number) => (body.return_full_text === true ? (jobs[index]?.prompt ?? "") : "");
  const choices = generations.flatMap((generation, at) =>
    likeliest(generation.candidates, n).map(({ candidate, row }, place) => {
      const kept = beforeStop(candidate.text, candidate.finishReason === "stop_sequence" ? stopsOf(body) : []);
      const tokens = logs[at]?.of(row);
      return {
        index: at * n + place,
        text: start(at) + kept,
        logprobs: tokens === undefined ? null : completionLogprobs(tokens, kept.length, start(at).length),
        finish_reason: finishReason(candidate),
      };
    }),
  );
  return { ...head, choices, usage };
}

/** Runs all jobs at once; the first failure aborts the rest. */
export function runAll(
  { engine }: AppDeps,
  call: Call,
  jobs: readonly PromptJob[],
  logs: readonly (Pick<TokenLog, "onToken"> | undefined)[],
): Promise<Generation[]> {
  return firstFailureAborts(call, jobs, ({ options }, at) =>
    engine.generate({ ...options, signal: call.signal, onToken: logs[at]?.onToken }),
  );
}

/** The `n` candidates with the highest log-probability a token, in the order of their rows where all are kept. */
function likeliest(candidates: readonly Candidate[], n: number): { candidate: Candidate; row: number }[] {
  const rows = candidates.map((candidate, row) => ({ candidate, row }));
  if (n >= rows.length) return rows;
  const mean = ({ tokenLogps }: Candidate) => tokenLogps.reduce((sum, logp) => sum + logp, 0) / tokenLogps.length;
  return rows.sort((a, b) => mean(b.candidate) - mean(a.candidate)).slice(0, n);
}
