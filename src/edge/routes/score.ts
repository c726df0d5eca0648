// POST /score: the reward model's scores of one or several completions of a prompt, or of a pair.

import { z } from "zod";
import { AGGREGATIONS } from "../../shared/aggregate.ts";
import { InputError } from "../../shared/errors.ts";
import { JUDGE_CONTEXTS } from "../../shared/prompts.ts";
import { type Step, splitSteps } from "../../shared/steps.ts";
import type { AppDeps } from "../http/app-env.ts";
import type { Call } from "../http/call.ts";
import { firstFailureAborts } from "../http/first-failure.ts";
import { meter } from "../http/meter.ts";
import { text } from "./text.ts";
import { unknownTokens, warningsOf } from "./unknown-warning.ts";

/** Completions that one request may have scored. */
export const MAX_COMPLETIONS = 64;

/** Completions whose log-probabilities one request may ask for, and how many of them are read at a time. */
const MAX_FORCED = 8;
const FORCED_AT_ONCE = 2;

const FORMS = ["completion", "completions", "steps", "chosen", "rejected"] as const;

export const scoreSchema = z
  .strictObject({
    prompt: text,
    completion: text.optional().describe("Steps, one a line."),
    completions: z.array(text).min(1).max(MAX_COMPLETIONS).optional(),
    steps: z.array(text).min(1).optional().describe("One completion, cut into steps already."),
    chosen: text.optional().describe("With `rejected`: a pair."),
    rejected: text.optional(),
    aggregation: z.enum(AGGREGATIONS).nullish(),
    return_logprobs: z
      .boolean()
      .nullish()
      .describe("Also the log-probabilities of the completions by the policy, up to 8 completions."),
    context: z.enum(JUDGE_CONTEXTS).nullish().describe("What of the solution the judge sees beside the step."),
  })
  .superRefine((body, ctx) => {
    const given = FORMS.filter((form) => body[form] !== undefined);
    const isPair = given.length === 2 && body.chosen !== undefined && body.rejected !== undefined;
    if (isPair || (given.length === 1 && body.chosen === undefined && body.rejected === undefined)) return;
    ctx.addIssue({
      code: "custom",
      path: [given[0] ?? "completion"],
      message: "send one of `completion`, `completions`, `steps`, or both `chosen` and `rejected`",
    });
  });

export type ScoreBody = z.output<typeof scoreSchema>;
interface Asked {
  field: string;
  steps: Pick<Step, "text">[];
}

function askedOf(body: ScoreBody): Asked[] {
  const cut = (field: string, completion: string): Asked => ({ field, steps: splitSteps(completion) });
  if (body.chosen !== undefined && body.rejected !== undefined) {
    return [cut("chosen", body.chosen), cut("rejected", body.rejected)];
  }
  if (body.steps !== undefined) return [{ field: "steps", steps: body.steps.map((step) => ({ text: step.trim() })) }];
  if (body.completion !== undefined) return [cut("completion", body.completion)];
  return (body.completions ?? []).map((completion, index) => cut(`completions[${index}]`, completion));
}

/** The pair's part of the answer; equal scores prefer the rejected one: a preference must be earned. */
function preference([chosen, rejected]: readonly { score: number }[]) {
  if (chosen === undefined || rejected === undefined) throw new TypeError("a pair has two scores");
  return {
    chosen_score: chosen.score,
    rejected_score: rejected.score,
    margin: chosen.score - rejected.score,
    preferred: chosen.score > rejected.score ? "chosen" : "rejected",
  };
}

/** Log-probabilities of the completions by the policy, one request to the engine each. */
async function forcedLogprobs(deps: AppDeps, prompt: string, completions: readonly Asked[], call: Call) {
  return firstFailureAborts(
    call,
    completions,
    async ({ field, steps }) => {
      const completion = steps.map(({ text: step }) => step).join("\n");
      const { model, logps, texts } = await deps.engine.forced({
        prompt,
        completion,
        field,
        signal: call.signal,
        onUsed: meter(deps, call),
      });
      return { model, tokens: texts, token_logprobs: logps, sum: logps.reduce((sum, logp) => sum + logp, 0) };
    },
    FORCED_AT_ONCE,
  );
}

function tooManyForced(count: number): InputError {
  return new InputError({
    code: "bad_request",
    what: `log-probabilities of ${count} completions are asked for, the limit is ${MAX_FORCED}`,
    where: 'field "return_logprobs"',
    fix: "Send fewer at a time.",
  });
}

/** Scores a body that was checked. Throws what the engine throws. */
export async function scoreResult(deps: AppDeps, body: ScoreBody, call: Call) {
  const { engine, settings } = deps;
  const aggregation = body.aggregation ?? settings.AGGREGATION;
  const completions = askedOf(body);
  if (body.return_logprobs === true && completions.length > MAX_FORCED) throw tooManyForced(completions.length);
  const scoring = await engine.score({
    prompt: body.prompt,
    completions,
    aggregation,
    context: body.context ?? settings.JUDGE_CONTEXT,
    signal: call.signal,
    onUsed: meter(deps, call),
  });
  const forced = body.return_logprobs === true ? await forcedLogprobs(deps, body.prompt, completions, call) : [];
  return {
    object: "list",
    model: scoring.model,
    aggregation,
    data: scoring.completions.map(({ score, steps }, index) => ({
      index,
      object: "score",
      score,
      steps: steps.map((step, at) => ({ index: at, text: step.text, score: step.score })),
      ...(forced[index] !== undefined && { logprobs: forced[index] }),
    })),
    usage: {
      prompt_tokens: scoring.promptTokens,
      total_tokens: scoring.promptTokens,
      ...unknownTokens(scoring.unknown),
    },
    ...warningsOf(scoring.unknown),
    ...(body.chosen !== undefined && preference(scoring.completions)),
  };
}
