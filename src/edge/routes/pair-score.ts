// vLLM's score API: one text against another, here a problem against a solution, or one problem against several, or pairs of both. Its
// three names of the two sides are taken.
// https://docs.vllm.ai/en/stable/serving/openai_compatible_server.html

import { z } from "zod";
import { splitSteps } from "../../shared/steps.ts";
import type { AppDeps } from "../http/app-env.ts";
import type { Call } from "../http/call.ts";
import { namingFields } from "../http/field-names.ts";
import { meter } from "../http/meter.ts";
import { checkModelName } from "./openai/model-name.ts";
import { MAX_COMPLETIONS } from "./score.ts";
import { text } from "./text.ts";
import { anyUnknownTokens, warningsOf } from "./unknown-warning.ts";

const texts = z.union([text, z.array(text).min(1).max(MAX_COMPLETIONS)], {
  error: `must be a text, or a list of up to ${MAX_COMPLETIONS} texts`,
});

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

/** One score a solution, all in one request to the engine. Throws what the engine throws. */
export async function pairScoreResult(deps: AppDeps, body: PairScoreBody, call: Call) {
  const { engine, settings } = deps;
  const models = await engine.load();
  checkModelName(body.model, models, call);
  const { names, problems, solutions } = sidesOf(body);
  const [first = ""] = problems;
  const asked = solutions.map((solution, index) => {
    const prompt = problems[index] ?? first;
    const place = typeof body[names[0]] === "string" ? "" : `[${problems.indexOf(prompt)}]`;
    const promptField = `${names[0]}${place}`;
    return { field: `${names[1]}[${index}]`, steps: splitSteps(solution), prompt, promptField };
  });
  const { completions, promptTokens, unknown } = await namingFields({ prompt: asked[0]?.promptField ?? names[0] }, () =>
    engine.score({
      prompt: first,
      completions: asked,
      aggregation: settings.AGGREGATION,
      context: settings.JUDGE_CONTEXT,
      signal: call.signal,
      onUsed: meter(deps, call),
    }),
  );
  return {
    id: `score-${call.requestId}`,
    object: "list",
    created: Math.floor(Date.now() / 1000),
    model: models.reward.manifest.model,
    data: completions.map(({ score }, index) => ({ index, object: "score", score })),
    usage: {
      prompt_tokens: promptTokens,
      completion_tokens: 0,
      total_tokens: promptTokens,
      ...anyUnknownTokens(unknown),
    },
    ...warningsOf(unknown),
  };
}
