// POST /get_reward: OpenRLHF's remote reward model, `{query: [prompt + response, ...]}` -> `{rewards}`.
// Where the prompt ends is told by `prompts`; without them it is a query's first line.
// https://github.com/OpenRLHF/OpenRLHF, openrlhf/cli/serve_rm.py

import { z } from "zod";
import { InputError } from "../../shared/errors.ts";
import { splitSteps } from "../../shared/steps.ts";
import { checkSteps } from "../engine/judge.ts";
import type { AppDeps } from "../http/app-env.ts";
import type { Call } from "../http/call.ts";
import { meter } from "../http/meter.ts";
import { text } from "./text.ts";
import { warningsOf } from "./unknown-warning.ts";

const MAX_QUERIES = 64;
export const getRewardSchema = z
  .object({
    query: z.array(text).min(1).max(MAX_QUERIES).describe("Prompt and response in one text."),
    prompts: z.array(z.string()).max(MAX_QUERIES).nullish().describe("The prompts alone, in the order of `query`."),
  })
  .superRefine(({ query, prompts }, ctx) => {
    if (prompts === undefined || prompts === null || prompts.length === query.length) return;
    ctx.addIssue({
      code: "custom",
      path: ["prompts"],
      message: `has ${prompts.length} items, query has ${query.length}`,
    });
  });

export type GetRewardBody = z.output<typeof getRewardSchema>;

function cut(query: string, prompt: string | undefined, index: number): { prompt: string; response: string } {
  if (prompt === undefined) {
    const end = query.trimStart().indexOf("\n");
    return {
      prompt: query.trimStart().slice(0, Math.max(end, 0)),
      response: end < 0 ? "" : query.trimStart().slice(end),
    };
  }
  if (query.startsWith(prompt)) return { prompt, response: query.slice(prompt.length) };
  throw new InputError({
    code: "bad_request",
    what: "the query does not begin with its prompt",
    where: `field "prompts[${index}]"`,
  });
}

/** Rewards of queries that were checked; all are cut and counted before the first is scored, in one request to the engine. */
export async function getRewardResult(deps: AppDeps, { query, prompts }: GetRewardBody, call: Call) {
  const { engine, settings } = deps;
  const completions = query.map((whole, index) => {
    const { prompt, response } = cut(whole, prompts?.[index], index);
    const steps = splitSteps(response);
    const field = `query[${index}]`;
    if (steps.length === 0 || prompt.trim() === "") throw noResponse(field);
    return { field, prompt: prompt.trim(), steps };
  });
  checkSteps(completions);
  const scoring = await engine.score({
    prompt: completions[0]?.prompt ?? "",
    completions,
    aggregation: settings.AGGREGATION,
    context: settings.JUDGE_CONTEXT,
    signal: call.signal,
    onUsed: meter(deps, call),
  });
  return { rewards: scoring.completions.map(({ score }) => score), ...warningsOf(scoring.unknown) };
}

function noResponse(field: string): InputError {
  return new InputError({
    code: "bad_request",
    what: "a query needs a prompt and at least one step of a response",
    where: `field "${field}"`,
    fix: "Put the prompt on the first line, or send `prompts`.",
  });
}
