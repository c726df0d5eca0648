// POST /v1/chat/completions: the policy as a chat model, by the template of chat-prompt.ts.
// https://platform.openai.com/docs/api-reference/chat

import { z } from "zod";
import type { GeneratedToken, GenerateOptions } from "../../engine/generate.ts";
import type { AppDeps } from "../../http/app-env.ts";
import type { Call } from "../../http/call.ts";
import { type FieldNames, namingFields } from "../../http/field-names.ts";
import { generateOptionsOf } from "../generate-parameters.ts";
import { warningsOf } from "../unknown-warning.ts";
import { chatPrompt, messagesSchema } from "./chat-prompt.ts";
import { finishReason } from "./completions.ts";
import { chatLogprobs } from "./logprobs.ts";
import { checkModelName } from "./model-name.ts";
import { type CommonBody, checkTogether, commonShape, parametersOf, stopsOf } from "./schema.ts";
import { choicesOf, scoresOf, usageOfAll, votesOf } from "./solutions.ts";
import { beforeStop } from "./stop-text.ts";

const ignored = z.unknown().optional();
const none = z
  .union([z.null(), z.literal(false), z.literal("none"), z.tuple([])], { error: "is not supported" })
  .optional();

export const chatSchema = z
  .strictObject({
    ...commonShape,
    messages: messagesSchema,
    max_completion_tokens: z.int().positive().nullish().describe("The newer name of `max_tokens`."),
    logprobs: z.boolean().nullish(),
    top_logprobs: z.int().nonnegative().max(5).nullish(),
    response_format: z.object({ type: z.literal("text", { error: "is not supported" }) }).nullish(),
    modalities: z.tuple([z.literal("text")], { error: "is not supported: the model writes text" }).nullish(),
    tools: none,
    tool_choice: none,
    functions: none,
    function_call: none,
    metadata: ignored,
    store: ignored,
    service_tier: ignored,
    parallel_tool_calls: ignored,
    prompt_cache_key: ignored,
    safety_identifier: ignored,
  })
  .superRefine((body, ctx) => {
    checkTogether(body, ctx);
    if ((body.top_logprobs ?? 0) > 0 && body.logprobs !== true)
      ctx.addIssue({ code: "custom", path: ["top_logprobs"], message: "needs `logprobs: true`" });
    if (body.search && body.messages.at(-1)?.role === "assistant")
      ctx.addIssue({ code: "custom", path: ["search"], message: "cannot go on from a message of the assistant" });
  });

export type ChatBody = z.output<typeof chatSchema>;

/** What the engine is asked, and what the caller calls its fields. */
export function chatJobOf(body: ChatBody): { options: GenerateOptions; names: FieldNames } {
  const { messages, max_completion_tokens: asked, logprobs, top_logprobs } = body;
  const { prompt, prefix } = chatPrompt(messages);
  const parameters = parametersOf({ ...commonOf(body), max_tokens: asked ?? body.max_tokens });
  const topTokens = logprobs === true ? (top_logprobs ?? 0) : undefined;
  const isOlder = (asked ?? null) === null && (body.max_tokens ?? null) !== null;
  return {
    options: { ...generateOptionsOf(prompt, parameters), topTokens, ...(prefix !== undefined && { prefix }) },
    names: {
      prompt: "messages",
      prefix: `messages[${messages.length - 1}].content`,
      max_new_tokens: isOlder ? "max_tokens" : "max_completion_tokens",
    },
  };
}

/** The fields that completions have, too. */
function commonOf(body: ChatBody): CommonBody {
  const { messages, max_completion_tokens, logprobs, top_logprobs, response_format, tools, tool_choice, ...others } =
    body;
  const { functions, function_call, metadata, store, service_tier, parallel_tool_calls, ...rest } = others;
  const { modalities, prompt_cache_key, safety_identifier, ...common } = rest;
  return common;
}

/** The head of every answer and chunk. Throws HttpError 404 for another model's name. */
export async function chatHead(deps: AppDeps, body: ChatBody, call: Call) {
  const models = await deps.engine.load();
  checkModelName(body.model, models, call);
  const created = Math.floor(Date.now() / 1000);
  return { id: `chatcmpl-${call.requestId}`, created, model: models.policy.manifest.model };
}

/** Answers a chat that was checked. Throws what the engine throws. */
export async function chatResult(deps: AppDeps, body: ChatBody, call: Call) {
  const head = await chatHead(deps, body, call);
  const { options, names } = chatJobOf(body);
  const details = body.logprobs === true || options.prefix !== undefined;
  const solved = await namingFields(names, () => choicesOf(deps, call, options, { body, details }));
  const choices = solved.solutions.map((solution, index) => {
    const { candidate, tokens } = solution;
    // what the answer begins with was given by the caller, and is not said again
    const text = options.prefix === undefined ? candidate.text : textOfTokens(tokens);
    const content = beforeStop(text, candidate.finishReason === "stop_sequence" ? stopsOf(body) : []);
    return {
      index,
      message: { role: "assistant", content, refusal: null },
      logprobs: body.logprobs === true ? chatLogprobs(tokens, content.length) : null,
      finish_reason: finishReason(candidate),
      ...scoresOf(solution),
      ...(index === 0 && votesOf(solved)),
    };
  });
  return { ...head, object: "chat.completion", choices, usage: usageOfAll([solved]), ...warningsOf(solved.unknown) };
}

/** What the tokens add to the text. */
export function textOfTokens(tokens: readonly GeneratedToken[]): string {
  return tokens.map(({ text }) => text).join("");
}
