// POST /v1/chat/completions: the policy as a chat model, by the template of chat-prompt.ts.
// https://platform.openai.com/docs/api-reference/chat

import { z } from "zod";
import type { GeneratedToken, GenerateOptions } from "../../engine/generate.ts";
import type { AppDeps } from "../../http/app-env.ts";
import type { Call } from "../../http/call.ts";
import { meter } from "../../http/meter.ts";
import { streamEvents } from "../../http/sse.ts";
import { usageOf } from "../generate.ts";
import { generateOptionsOf } from "../generate-parameters.ts";
import { createTokenLog } from "../tokens.ts";
import { chatPrompt, messagesSchema } from "./chat-prompt.ts";
import { finishReason } from "./completions.ts";
import { chatLogprobs } from "./logprobs.ts";
import { checkModelName } from "./model-name.ts";
import { commonShape, parametersOf, stopsOf } from "./schema.ts";
import { beforeStop, createStopFilter } from "./stop-text.ts";

const ignored = z.unknown().optional();
const none = z
  .union([z.null(), z.literal(false), z.literal("none"), z.tuple([])], { error: "is not supported" })
  .optional();

export const chatSchema = z.strictObject({
  ...commonShape,
  messages: messagesSchema,
  max_completion_tokens: z.int().positive().nullish().describe("The newer name of `max_tokens`."),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().nonnegative().max(5).nullish(),
  response_format: z.object({ type: z.literal("text", { error: "is not supported" }) }).nullish(),
  tools: none,
  tool_choice: none,
  functions: none,
  function_call: none,
  metadata: ignored,
  store: ignored,
  service_tier: ignored,
  parallel_tool_calls: ignored,
});

export type ChatBody = z.output<typeof chatSchema>;

/** What the engine is asked. */
function optionsOf(body: ChatBody): GenerateOptions {
  const { messages, max_completion_tokens, logprobs, top_logprobs, response_format, tools, tool_choice, ...others } =
    body;
  const { functions, function_call, metadata, store, service_tier, parallel_tool_calls, ...common } = others;
  const { prompt, prefix } = chatPrompt(messages);
  const parameters = {
    ...parametersOf({ ...common, max_tokens: max_completion_tokens ?? body.max_tokens }),
    best_of: body.n ?? 1,
  };
  const topTokens = logprobs === true ? (top_logprobs ?? 0) : undefined;
  return { ...generateOptionsOf(prompt, parameters), topTokens, ...(prefix !== undefined && { prefix }) };
}

async function headOf(deps: AppDeps, body: ChatBody, call: Call) {
  const models = await deps.engine.load();
  checkModelName(body.model, models, call);
  const created = Math.floor(Date.now() / 1000);
  return { id: `chatcmpl-${call.requestId}`, created, model: models.policy.manifest.model };
}

/** Answers a chat that was checked. Throws what the engine throws. */
export async function chatResult(deps: AppDeps, body: ChatBody, call: Call) {
  const head = await headOf(deps, body, call);
  const options = optionsOf(body);
  const log = body.logprobs === true || options.prefix !== undefined ? createTokenLog() : undefined;
  const generation = await deps.engine.generate({ ...options, signal: call.signal, onToken: log?.onToken });
  const usage = usageOf(generation);
  meter(deps, call, { promptTokens: usage.prompt_tokens, completionTokens: usage.completion_tokens });
  const choices = generation.candidates.map((candidate, index) => {
    // what the answer begins with was given by the caller, and is not said again
    const text = options.prefix === undefined ? candidate.text : textOfTokens(log?.of(index) ?? []);
    const content = beforeStop(text, candidate.finishReason === "stop_sequence" ? stopsOf(body) : []);
    return {
      index,
      message: { role: "assistant", content, refusal: null },
      logprobs: log === undefined || body.logprobs !== true ? null : chatLogprobs(log.of(index), content.length),
      finish_reason: finishReason(candidate),
    };
  });
  return { ...head, object: "chat.completion", choices, usage };
}

function textOfTokens(tokens: readonly GeneratedToken[]): string {
  return tokens.map(({ text }) => text).join("");
}

/** The same as a stream of chunks. */
export async function streamChat(deps: AppDeps, body: ChatBody, call: Call): Promise<Response> {
  const head = { ...(await headOf(deps, body, call)), object: "chat.completion.chunk" };
  const withUsage = body.stream_options?.include_usage === true;
  return streamEvents(deps, call, async (send) => {
    const chunk = (index: number, delta: object, logprobs: object | null, finish: string | null) =>
      send({
        ...head,
        choices: [{ index, delta, logprobs, finish_reason: finish }],
        ...(withUsage && { usage: null }),
      });
    const filters = Array.from({ length: body.n ?? 1 }, () => createStopFilter(stopsOf(body)));
    const log = createTokenLog();
    const begun = new Set<number>();
    const begin = (index: number) => {
      if (!begun.has(index)) chunk(index, { role: "assistant", content: "" }, null, null);
      begun.add(index);
    };
    const generation = await deps.engine.generate({
      ...optionsOf(body),
      signal: call.signal,
      onToken(token: GeneratedToken) {
        begin(token.candidate);
        log.onToken(token);
        const content = filters[token.candidate]?.add(token.text) ?? "";
        const logprobs = body.logprobs === true ? chatLogprobs([token], Infinity) : null;
        if (content !== "" || logprobs !== null) chunk(token.candidate, { content }, logprobs, null);
      },
    });
    generation.candidates.forEach((candidate, index) => {
      begin(index);
      const rest = filters[index]?.end(textOfTokens(log.of(index))) ?? "";
      if (rest !== "") chunk(index, { content: rest }, null, null);
      chunk(index, {}, null, finishReason(candidate));
    });
    const usage = usageOf(generation);
    meter(deps, call, { promptTokens: usage.prompt_tokens, completionTokens: usage.completion_tokens });
    if (withUsage) send({ ...head, choices: [], usage });
    send("[DONE]");
  });
}
