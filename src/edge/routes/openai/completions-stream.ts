// The stream of /v1/completions: a chunk a token and candidate, then one that says why the text ended. Where one text is written, each
// chunk is also an event of TGI's stream (`token`, `generated_text`), which @huggingface/inference reads from this path.

import { InputError } from "../../../shared/errors.ts";
import type { Candidate, GeneratedToken } from "../../engine/generate.ts";
import type { AppDeps } from "../../http/app-env.ts";
import type { Call } from "../../http/call.ts";
import { meter } from "../../http/meter.ts";
import { streamEvents } from "../../http/sse.ts";
import { tgiToken } from "../generate.ts";
import {
  type CompletionsBody,
  finishReason,
  headOf,
  jobsOf,
  runAll,
  usageOfAll,
  wantsLogprobs,
} from "./completions.ts";
import { completionLogprobs } from "./logprobs.ts";
import { stopsOf } from "./schema.ts";
import { createStopFilter } from "./stop-text.ts";

/** Answers with the chunks of all prompts and candidates, as they come. */
export async function streamCompletions(deps: AppDeps, body: CompletionsBody, call: Call): Promise<Response> {
  const n = body.n ?? 1;
  if ((body.best_of ?? n) > n) throw noBestOf();
  const jobs = jobsOf(body);
  const head = await headOf(deps, body, call);
  const withUsage = body.stream_options?.include_usage === true;
  const alone = jobs.length * n === 1;
  return streamEvents(deps, call, async (send) => {
    const chunk = (choices: unknown[], more: object = {}) =>
      send({ ...head, choices, ...(withUsage && { usage: null }), ...more });
    const writers = jobs.map((_, at) =>
      Array.from({ length: n }, (_, row) => createChoiceWriter(body, at * n + row, alone, chunk)),
    );
    const logs = writers.map((rows) => ({
      onToken: (token: GeneratedToken) => rows[token.candidate]?.add(token),
    }));
    const generations = await runAll(deps, call, jobs, logs);
    generations.forEach(({ candidates }, at) => {
      for (const [row, candidate] of candidates.entries()) writers[at]?.[row]?.end(candidate);
    });
    const usage = usageOfAll(generations);
    meter(deps, call, { promptTokens: usage.prompt_tokens, completionTokens: usage.completion_tokens });
    if (withUsage) send({ ...head, choices: [], usage });
    send("[DONE]");
  });
}

type SendChunk = (choices: unknown[], more?: object) => void;

/** Writes the chunks of one candidate. */
function createChoiceWriter(body: CompletionsBody, index: number, alone: boolean, send: SendChunk) {
  const filter = createStopFilter(stopsOf(body));
  let offset = 0;
  let count = 0;
  let last: GeneratedToken | undefined;
  const tgi = (token: GeneratedToken | undefined, text: string | null) =>
    alone && token !== undefined ? { index: count, token: tgiToken(token), generated_text: text, details: null } : {};
  const write = (token: GeneratedToken) => {
    count += 1;
    const text = filter.add(token.text);
    const logprobs = wantsLogprobs(body) ? completionLogprobs([token], Infinity, offset) : null;
    offset += token.text.length;
    send([{ index, text, logprobs, finish_reason: null }], tgi(token, null));
  };
  return {
    add(token: GeneratedToken): void {
      // with the last token comes why the text ended
      if (last !== undefined) write(last);
      last = token;
    },
    end(candidate: Candidate): void {
      count += 1;
      const text = filter.end(candidate.text);
      const logprobs = wantsLogprobs(body) && last !== undefined ? completionLogprobs([last], Infinity, offset) : null;
      send([{ index, text, logprobs, finish_reason: finishReason(candidate) }], tgi(last, candidate.text));
    },
  };
}

function noBestOf(): InputError {
  return new InputError({
    code: "bad_request",
    what: "best_of chooses among whole texts, which a stream cannot",
    where: 'field "best_of"',
    fix: "Ask for n, or do not stream.",
  });
}
