// vLLM's score API: one text against another, here a problem against a solution, or one problem against several, or pairs of both. Its
// three names of the two sides are taken.
// https://docs.vllm.ai/en/stable/serving/openai_compatible_server.html

import { z } from "zod";
import { splitSteps } from "../../shared/steps.ts";
import { joinUnknown } from "../../shared/unknown-characters.ts";
import type { AppDeps } from "../http/app-env.ts";
import type { Call } from "../http/call.ts";
import { firstFailureAborts } from "../http/first-failure.ts";
import { checkModelName } from "./openai/model-name.ts";
import { scoreSolutions } from "./rerank.ts";
import { MAX_COMPLETIONS } from "./score.ts";
import { text } from "./text.ts";
import { anyUnknownTokens, warningsOf } from "./unknown-warning.ts";

const texts = z.union([text, z.array(text).min(1).max(MAX_COMPLETIONS)], {
  error: `must be a text, or a list of up to ${MAX_COMPLETIONS} texts`,
});
/** So many places of the queue does one request take. */
const PROMPTS_AT_ONCE = 4;

/** Names of the problems and of the solutions. */
const SIDES = [
  ["text_1", "text_2"],
  ["data_1", "data_2"],
  ["queries", "documents"],
] as const;

/** What vLLM takes and means nothing here. */
const unused = z.unknown().optional();

export const pairScoreSchema = z
  .strictObject({
    text_1: texts.optional().describe("The problem, or a problem for each solution."),
    text_2: texts.optional().describe("The solutions."),
    data_1: texts.optional().describe("Another name of `text_1`."),
    data_2: texts.optional().describe("Another name of `text_2`."),
    queries: texts.optional().describe("Another name of `text_1`."),
    documents: texts.optional().describe("Another name of `text_2`."),
    model: z.string().nullish(),
    user: z.string().nullish(),
    encoding_format: z.literal("float").nullish(),
    truncate_prompt_tokens: z.null({ error: "is not supported: a text is never cut" }).optional(),
    use_activation: z.literal(true, { error: "is not supported: scores are probabilities" }).nullish(),
    priority: unused,
    request_id: unused,
    mm_processor_kwargs: unused,
  })
  .superRefine((body, ctx) => {
    const { problems, solutions, names } = sidesOf(body);
    const given = SIDES.flat().filter((name) => body[name] !== undefined);
    if (problems.length === 0 || solutions.length === 0 || given.length > 2) {
      const path = [problems.length === 0 || given.length > 2 ? names[0] : names[1]];
      ctx.addIssue({ code: "custom", path, message: "send `text_1` and `text_2`, problems and solutions" });
    } else if (problems.length > 1 && problems.length !== solutions.length) {
      const message = `has ${problems.length} items, ${names[1]} has ${solutions.length}: send one, or as many`;
      ctx.addIssue({ code: "custom", path: [names[0]], message });
    }
  });

export type PairScoreBody = z.output<typeof pairScoreSchema>;

/** Whether a body is of this form. */
export function isPairBody(body: unknown): body is PairScoreBody {
  return typeof body === "object" && body !== null && SIDES.flat().some((name) => name in body);
}

function sidesOf(body: Partial<Record<(typeof SIDES)[number][number], string | string[] | undefined>>) {
  const names = SIDES.find((pair) => pair.some((name) => body[name] !== undefined)) ?? SIDES[0];
  return { names, problems: listOf(body[names[0]]), solutions: listOf(body[names[1]]) };
}

function listOf(given: string | string[] | undefined): string[] {
  return typeof given === "string" ? [given] : (given ?? []);
}

/** One score a solution. Throws what the engine throws. */
export async function pairScoreResult(deps: AppDeps, body: PairScoreBody, call: Call) {
  const models = await deps.engine.load();
  checkModelName(body.model, models, call);
  const { names, problems, solutions } = sidesOf(body);
  const groups = new Map<string, { index: number; steps: ReturnType<typeof splitSteps> }[]>();
  solutions.forEach((solution, index) => {
    const problem = problems[index] ?? problems[0] ?? "";
    groups.set(problem, [...(groups.get(problem) ?? []), { index, steps: splitSteps(solution) }]);
  });
  const scores: number[] = [];
  const read = await firstFailureAborts(
    call,
    [...groups],
    async ([problem, members]) => {
      const place = typeof body[names[0]] === "string" ? "" : `[${problems.indexOf(problem)}]`;
      const result = await scoreSolutions(deps, call, {
        problem: { text: problem, field: `${names[0]}${place}` },
        field: names[1],
        solutions: members,
      });
      members.forEach(({ index }, at) => {
        scores[index] = result.scores[at] ?? Number.NaN;
      });
      return result;
    },
    PROMPTS_AT_ONCE,
  );
  const promptTokens = read.reduce((sum, one) => sum + one.promptTokens, 0);
  const unknown = joinUnknown(read.map((one) => one.unknown));
  return {
    id: `score-${call.requestId}`,
    object: "list",
    created: Math.floor(Date.now() / 1000),
    model: models.reward.manifest.model,
    data: scores.map((score, index) => ({ index, object: "score", score })),
    usage: {
      prompt_tokens: promptTokens,
      completion_tokens: 0,
      total_tokens: promptTokens,
      ...anyUnknownTokens(unknown),
    },
    ...warningsOf(unknown),
  };
}
