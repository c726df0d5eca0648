// The stream of /v1/completions: a chunk a token and candidate, then one that says why the text ended. Where one text is written, each
// chunk is also an event of TGI's stream (`token`, `generated_text`), which @huggingface/inference reads from this path. A search streams
// what it has settled on, beams their best text when they are done.

import type { UnknownText } from "../../../shared/unknown-characters.ts";
import type { GeneratedToken } from "../../engine/generate.ts";
import type { AppDeps } from "../../http/app-env.ts";
import type { Call } from "../../http/call.ts";
import { namingFields } from "../../http/field-names.ts";
import { firstFailureAborts } from "../../http/first-failure.ts";
import { meter } from "../../http/meter.ts";
import { streamEvents } from "../../http/sse.ts";
import type { Solved } from "../../search/solve.ts";
import { tgiToken } from "../generate.ts";
import { scoreTexts } from "../step-scores.ts";
import { warningsOf } from "../unknown-warning.ts";
import { type CompletionsBody, finishReason, headOf, jobsOf, type PromptJob, wantsLogprobs } from "./completions.ts";
import { completionLogprobs } from "./logprobs.ts";
import { searches, stopsOf } from "./schema.ts";
import { choicesOf, scoresOf, type Used, usageOfAll, usedBy } from "./solutions.ts";
import { createStopFilter } from "./stop-text.ts";

/** Answers with the chunks of all prompts and candidates, as they come. */
export async function streamCompletions(deps: AppDeps, body: CompletionsBody, call: Call): Promise<Response> {
  const n = body.n ?? 1;
  const jobs = jobsOf(body);
  const head = await headOf(deps, body, call);
  const withUsage = body.stream_options?.include_usage === true;
  const alone = jobs.length * n === 1;
  return streamEvents(deps, call, async (send) => {
    const chunk = (choices: unknown[], more: object = {}) =>
      send({ ...head, choices, ...(withUsage && { usage: null }), ...more });
    const writers = jobs.map(({ prompt }, at) => {
      const start = body.return_full_text === true ? prompt : "";
      return Array.from({ length: n }, (_, row) =>
        createChoiceWriter(body, { index: at * n + row, start, alone }, chunk),
      );
    });
    const write = searches(body) ? writeSearch : writeDrawn;
    const found = await firstFailureAborts(call, jobs, (job, at) =>
      namingFields(job.names, () => write(deps, call, { body, job, writers: writers[at] ?? [] })),
    );
    if (withUsage) send({ ...head, choices: [], usage: usageOfAll(found) });
    send("[DONE]");
  });
}

interface Writing {
  body: CompletionsBody;
  job: PromptJob;
  /** One a choice. */
  writers: readonly ChoiceWriter[];
}

async function writeDrawn(deps: AppDeps, call: Call, { body, job, writers }: Writing): Promise<Used> {
  const onToken = (token: GeneratedToken) => writers[token.candidate]?.add(token);
  const generation = await deps.engine.generate({
    ...job.options,
    signal: call.signal,
    onToken,
    onUsed: meter(deps, call),
  });
  const used = usedBy(generation);
  const texts = generation.candidates.map(({ text }) => text);
  const scores = body.score_steps === true ? await scoreTexts(deps, call, { prompt: job.prompt, texts }) : [];
  generation.candidates.forEach((candidate, row) => {
    const own = scores[row];
    writers[row]?.end({ candidate, tokens: [], ...(own !== undefined && { scores: own }) }, used.unknown);
  });
  return used;
}

async function writeSearch(deps: AppDeps, call: Call, { body, job, writers }: Writing): Promise<Used> {
  const [writer] = writers;
  const addFrom = (tokens: readonly GeneratedToken[]) => {
    for (const token of tokens.slice(writer?.count)) writer?.add(token);
  };
  const watch = { onRound: () => undefined, onSettled: addFrom };
  const solved = await choicesOf(deps, call, job.options, { body, details: true, watch });
  const [best] = solved.solutions;
  if (best === undefined) throw new TypeError("the engine returned no candidate");
  addFrom(best.tokens);
  writer?.end(best, solved.unknown);
  return solved;
}

type SendChunk = (choices: unknown[], more?: object) => void;

interface ChoiceWriter {
  /** Tokens added. */
  readonly count: number;
  add(token: GeneratedToken): void;
  end(solution: Solved, unknown: UnknownText | undefined): void;
}

/** Writes the chunks of one candidate; the first begins with `start`. */
function createChoiceWriter(
  body: CompletionsBody,
  { index, start, alone }: { index: number; start: string; alone: boolean },
  send: SendChunk,
): ChoiceWriter {
  const filter = createStopFilter(stopsOf(body));
  const startOnce = (): string => (written === 1 ? start : "");
  let offset = start.length;
  let written = 0;
  let last: GeneratedToken | undefined;
  const tgi = (token: GeneratedToken | undefined, text: string | null) =>
    alone && token !== undefined ? { index: written, token: tgiToken(token), generated_text: text, details: null } : {};
  const write = (token: GeneratedToken) => {
    written += 1;
    const text = startOnce() + filter.add(token.text);
    const logprobs = wantsLogprobs(body) ? completionLogprobs([token], Infinity, offset) : null;
    offset += token.text.length;
    send([{ index, text, logprobs, finish_reason: null }], tgi(token, null));
  };
  return {
    get count() {
      return written + (last === undefined ? 0 : 1);
    },
    add(token) {
      // with the last token comes why the text ended
      if (last !== undefined) write(last);
      last = token;
    },
    end(solution, unknown) {
      const { candidate } = solution;
      written += 1;
      const text = startOnce() + filter.end(candidate.text);
      const logprobs = wantsLogprobs(body) && last !== undefined ? completionLogprobs([last], Infinity, offset) : null;
      const choice = { index, text, logprobs, finish_reason: finishReason(candidate), ...scoresOf(solution) };
      send([choice], { ...tgi(last, start + candidate.text), ...warningsOf(unknown) });
    },
  };
}
