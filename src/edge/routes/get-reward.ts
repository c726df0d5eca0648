// POST /get_reward: OpenRLHF's remote reward model, `{query: [prompt + response, ...]}` -> `{rewards}`.
// Where the prompt ends is told by `prompts`; without them it is a query's first line.
// https://github.com/OpenRLHF/OpenRLHF, openrlhf/cli/serve_rm.py

import type { Context } from "hono";
import { z } from "zod";
import { InputError } from "../../shared/errors.ts";
import { splitSteps } from "../../shared/steps.ts";
import type { AppDeps, AppEnv } from "../http/app-env.ts";
import { readJson } from "../http/read-json.ts";
import { pauseFor } from "./pause.ts";
import { text } from "./text.ts";

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

/** The handler of POST /get_reward. */
export function handleGetReward({ engine, settings, metrics }: AppDeps) {
  return async (c: Context<AppEnv>): Promise<Response> => {
    const { query, prompts } = await readJson(c, getRewardSchema, settings.MAX_BODY_BYTES);
    const rewards: number[] = [];
    for (const [index, whole] of query.entries()) {
      const { prompt, response } = cut(whole, prompts?.[index], index);
      const steps = splitSteps(response);
      const scoring = await engine.score({
        prompt: prompt.trim(),
        completions: [{ field: `query[${index}]`, steps }],
        aggregation: settings.AGGREGATION,
        context: settings.JUDGE_CONTEXT,
        pause: pauseFor(c),
      });
      metrics.add("stepwise_prompt_tokens_total", scoring.promptTokens);
      metrics.add("stepwise_scored_steps_total", steps.length);
      rewards.push(...scoring.completions.map(({ score }) => score));
    }
    return c.json({ rewards });
  };
}
