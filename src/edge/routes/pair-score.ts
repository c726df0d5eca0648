// vLLM's score API: `text_1` against `text_2`, here a problem against a solution, or one problem against several, or pairs of both.
// https://docs.vllm.ai/en/stable/serving/openai_compatible_server.html

import { z } from "zod";
import { InputError } from "../../shared/errors.ts";
import { splitSteps } from "../../shared/steps.ts";
import type { AppDeps } from "../http/app-env.ts";
import type { Call } from "../http/call.ts";
import { firstFailureAborts } from "../http/first-failure.ts";
import { checkModelName } from "./openai/model-name.ts";
import { scoreSolutions } from "./rerank.ts";
import { MAX_COMPLETIONS } from "./score.ts";
import { text } from "./text.ts";

const texts = z.union([text, z.array(text).min(1).max(MAX_COMPLETIONS)], {
  error: `must be a text, or a list of up to ${MAX_COMPLETIONS} texts`,
});
/** So many places of the queue does one request take. */
const PROMPTS_AT_ONCE = 4;

export const pairScoreSchema = z
  .strictObject({
    text_1: texts.describe("The problem, or a problem for each solution."),
    text_2: texts.describe("The solutions."),
    model: z.string().nullish(),
    user: z.string().nullish(),
    encoding_format: z.literal("float").nullish(),
    truncate_prompt_tokens: z.null({ error: "is not supported: a text is never cut" }).optional(),
  })
  .superRefine((body, ctx) => {
    const [problems, solutions] = [listOf(body.text_1), listOf(body.text_2)];
    if (problems.length === 1 || problems.length === solutions.length) return;
    const message = `has ${problems.length} items, text_2 has ${solutions.length}: send one, or as many`;
    ctx.addIssue({ code: "custom", path: ["text_1"], message });
  });

export type PairScoreBody = z.output<typeof pairScoreSchema>;

function listOf(given: string | string[]): string[] {
  return typeof given === "string" ? [given] : given;
}

/** One score a solution. Throws what the engine throws. */
export async function pairScoreResult(deps: AppDeps, body: PairScoreBody, call: Call) {
  checkModelName(body.model, await deps.engine.load(), call);
  const problems = listOf(body.text_1);
  const groups = new Map<string, { index: number; steps: ReturnType<typeof splitSteps> }[]>();
  listOf(body.text_2).forEach((solution, index) => {
    const problem = problems[index] ?? problems[0] ?? "";
    groups.set(problem, [...(groups.get(problem) ?? []), { index, steps: splitSteps(solution) }]);
  });
  const scores: number[] = [];
  const scored = await firstFailureAborts(
    call,
    [...groups],
    async ([problem, solutions]) => {
      const result = await scoreSolutions(deps, call, problem, "text_2", solutions);
      solutions.forEach(({ index }, at) => {
        scores[index] = result.scores[at] ?? Number.NaN;
      });
      return result;
    },
    PROMPTS_AT_ONCE,
  );
  const [first] = scored;
  if (first === undefined)
    throw new InputError({ code: "bad_request", what: "nothing to score", where: 'field "text_2"' });
  const tokens = scored.reduce((sum, { promptTokens }) => sum + promptTokens, 0);
  return {
    id: `score-${call.requestId}`,
    object: "list",
    created: Math.floor(Date.now() / 1000),
    model: first.model,
    data: scores.map((score, index) => ({ index, object: "score", score })),
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  };
}
