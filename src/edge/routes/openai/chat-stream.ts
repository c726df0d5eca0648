// The stream of /v1/chat/completions: for each choice a chunk with the role, chunks with the text, one that says why it ended. A search
// streams what it has settled on, beams their best text when they are done.

import type { UnknownText } from "../../../shared/unknown-characters.ts";
import type { GeneratedToken } from "../../engine/generate.ts";
import type { AppDeps } from "../../http/app-env.ts";
import type { Call } from "../../http/call.ts";
import { namingFields } from "../../http/field-names.ts";
import { meter } from "../../http/meter.ts";
import { streamEvents } from "../../http/sse.ts";
import type { Solved } from "../../search/solve.ts";
import { scoreTexts } from "../step-scores.ts";
import { warningsOf } from "../unknown-warning.ts";
import { type ChatBody, chatHead, chatJobOf, textOfTokens } from "./chat.ts";
import { finishReason } from "./completions.ts";
import { chatLogprobs } from "./logprobs.ts";
import { searches, stopsOf } from "./schema.ts";
import { choicesOf, scoresOf, type Used, usageOfAll, usedBy } from "./solutions.ts";
import { createStopFilter } from "./stop-text.ts";

/** Answers with the chunks of all choices, as they come. */
export async function streamChat(deps: AppDeps, body: ChatBody, call: Call): Promise<Response> {
  const head = { ...(await chatHead(deps, body, call)), object: "chat.completion.chunk" };
  const { options, names } = chatJobOf(body);
  const withUsage = body.stream_options?.include_usage === true;
  return streamEvents(deps, call, async (send) => {
    const writers = Array.from({ length: body.n ?? 1 }, (_, index) =>
      createMessageWriter(body, index, (choice, more) =>
        send({ ...head, choices: [choice], ...(withUsage && { usage: null }), ...more }),
      ),
    );
    const draw = async () => {
      const onToken = (token: GeneratedToken) => writers[token.candidate]?.add(token);
      const generation = await deps.engine.generate({
        ...options,
        signal: call.signal,
        onToken,
        onUsed: meter(deps, call),
      });
      const used = usedBy(generation);
      const texts = generation.candidates.map(({ text }) => text);
      const scores = body.score_steps === true ? await scoreTexts(deps, call, { prompt: options.prompt, texts }) : [];
      generation.candidates.forEach((candidate, index) => {
        const own = scores[index];
        writers[index]?.end({ candidate, tokens: [], ...(own !== undefined && { scores: own }) }, used.unknown);
      });
      return used;
    };
    const search = async () => {
      const [writer] = writers;
      const addFrom = (tokens: readonly GeneratedToken[]) => {
        for (const token of tokens.slice(writer?.count)) writer?.add(token);
      };
      const watch = { onRound: () => undefined, onSettled: addFrom };
      const solved = await choicesOf(deps, call, options, { body, details: true, watch });
      const [best] = solved.solutions;
      if (best === undefined) throw new TypeError("the engine returned no candidate");
      addFrom(best.tokens);
      writer?.end(best, solved.unknown);
      return solved;
    };
    const used = await namingFields<Used>(names, searches(body) ? search : draw);
    if (withUsage) send({ ...head, choices: [], usage: usageOfAll([used]) });
    send("[DONE]");
  });
}

/** Writes the chunks of one choice. */
function createMessageWriter(body: ChatBody, index: number, send: (choice: object, more?: object) => void) {
  const filter = createStopFilter(stopsOf(body));
  const tokens: GeneratedToken[] = [];
  let hasBegun = false;
  const chunk = (delta: object, logprobs: object | null, finish: string | null) =>
    send({ index, delta, logprobs, finish_reason: finish });
  const begin = () => {
    if (!hasBegun) chunk({ role: "assistant", content: "" }, null, null);
    hasBegun = true;
  };
  return {
    /** Tokens added. */
    get count() {
      return tokens.length;
    },
    add(token: GeneratedToken): void {
      begin();
      tokens.push(token);
      const content = filter.add(token.text);
      const logprobs = body.logprobs === true ? chatLogprobs([token], Infinity) : null;
      if (content !== "" || logprobs !== null) chunk({ content }, logprobs, null);
    },
    end(solution: Solved, unknown: UnknownText | undefined): void {
      begin();
      const rest = filter.end(textOfTokens(tokens));
      if (rest !== "") chunk({ content: rest }, null, null);
      const finish = finishReason(solution.candidate);
      send({ index, delta: {}, logprobs: null, finish_reason: finish, ...scoresOf(solution) }, warningsOf(unknown));
    },
  };
}
