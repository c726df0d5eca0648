// Reranking solutions of a problem by the reward model, in the shapes of text-embeddings-inference (`texts`) and of vLLM, Jina and Cohere
// (`documents`). The query is the problem, each text a solution, a step a line.
// https://huggingface.github.io/text-embeddings-inference/ and https://docs.vllm.ai/en/stable/serving/openai_compatible_server.html

import { z } from "zod";
import { type Step, splitSteps } from "../../shared/steps.ts";
import type { UnknownText } from "../../shared/unknown-characters.ts";
import type { AppDeps } from "../http/app-env.ts";
import type { Call } from "../http/call.ts";
import { namingFields } from "../http/field-names.ts";
import { meter } from "../http/meter.ts";
import { checkModelName } from "./openai/model-name.ts";
import { MAX_COMPLETIONS } from "./score.ts";
import { text } from "./text.ts";
import { anyUnknownTokens, warningsOf } from "./unknown-warning.ts";

const texts = z.array(text).min(1).max(MAX_COMPLETIONS);
/** Jina's and Cohere's documents may be objects. */
const documents = z
  .array(z.union([text, z.object({ text })], { error: "must be a text, or an object with a `text`" }))
  .min(1)
  .max(MAX_COMPLETIONS);
/** What the copied APIs take and means nothing here. */
const unused = z.unknown().optional();

export const rerankSchema = z
  .strictObject({
    query: text.describe("The problem."),
    texts: texts.optional().describe("Solutions, in the shape of text-embeddings-inference."),
    documents: documents.optional().describe("Solutions, in the shape of vLLM, Jina and Cohere."),
    model: z.string().nullish(),
    return_text: z.boolean().nullish().describe("With `texts`: also tell the text."),
    return_documents: z.boolean().nullish().describe("With `documents`: also tell the text."),
    top_n: z.int().nonnegative().nullish().describe("With `documents`: only so many, the best first; 0 is all."),
    raw_scores: z.literal(false, { error: "is not supported" }).nullish(),
    truncate: z.literal(false, { error: "is not supported: a text is never cut" }).nullish(),
    truncation_direction: unused,
    truncate_prompt_tokens: z.null({ error: "is not supported: a text is never cut" }).optional(),
    use_activation: z.literal(true, { error: "is not supported: scores are probabilities" }).nullish(),
    max_tokens_per_doc: unused,
    priority: unused,
    request_id: unused,
    mm_processor_kwargs: unused,
    user: z.string().nullish(),
  })
  .superRefine((body, ctx) => {
    if ((body.texts === undefined) !== (body.documents === undefined)) return;
    ctx.addIssue({ code: "custom", path: ["texts"], message: "send either `texts` or `documents`" });
  });

export type RerankBody = z.output<typeof rerankSchema>;

interface Ranked {
  index: number;
  text: string;
  score: number;
}

/** Scores and sorts the solutions, the best first. Throws what the engine throws. */
export async function rerankResult(deps: AppDeps, body: RerankBody, call: Call) {
  checkModelName(body.model, await deps.engine.load(), call);
  const field = body.texts === undefined ? "documents" : "texts";
  const solutions = (body.texts ?? body.documents ?? []).map((one) => {
    const solution = typeof one === "string" ? one : one.text;
    return { text: solution, steps: splitSteps(solution) };
  });
  const { scores, model, promptTokens, unknown } = await scoreSolutions(deps, call, {
    problem: { text: body.query, field: "query" },
    field,
    solutions,
  });
  const ranked = solutions
    .map(({ text: solution }, index): Ranked => ({ index, text: solution, score: scores[index] ?? Number.NaN }))
    .sort((a, b) => b.score - a.score || a.index - b.index);
  if (body.texts !== undefined) {
    return ranked.map((one) => ({
      index: one.index,
      score: one.score,
      ...(body.return_text === true && { text: one.text }),
    }));
  }
  return {
    id: `rerank-${call.requestId}`,
    model,
    usage: { total_tokens: promptTokens, ...anyUnknownTokens(unknown) },
    ...warningsOf(unknown),
    results: ranked.slice(0, body.top_n || ranked.length).map((one) => ({
      index: one.index,
      relevance_score: one.score,
      ...(body.return_documents !== false && { document: { text: one.text } }),
    })),
  };
}

/** One aggregate a solution; `field` is the caller's list of solutions, `index` a solution's place there if not its place here. */
export async function scoreSolutions(
  deps: AppDeps,
  call: Call,
  asked: {
    problem: { text: string; field: string };
    field: string;
    solutions: readonly { index?: number; steps: readonly Pick<Step, "text">[] }[];
  },
): Promise<{ scores: number[]; model: string; promptTokens: number; unknown: UnknownText | undefined }> {
  const { engine, settings } = deps;
  const { problem, field, solutions } = asked;
  const scoring = await namingFields({ prompt: problem.field }, () =>
    engine.score({
      prompt: problem.text,
      completions: solutions.map(({ steps, index }, at) => ({ field: `${field}[${index ?? at}]`, steps })),
      aggregation: settings.AGGREGATION,
      context: settings.JUDGE_CONTEXT,
      signal: call.signal,
      onUsed: meter(deps, call),
    }),
  );
  return {
    scores: scoring.completions.map(({ score }) => score),
    model: scoring.model,
    promptTokens: scoring.promptTokens,
    unknown: scoring.unknown,
  };
}
