// The worker's two POST routes as functions, with retry: a record is only given up when asking again cannot help.

import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import pRetry from "p-retry";
import { z } from "zod";
import { createWorkerClient } from "../edge/client.ts";
import type { Aggregation } from "../shared/aggregate.ts";
import { InputError } from "../shared/errors.ts";
import type { Pair } from "../shared/records.ts";
import type { SampleAsk } from "../shared/sample-ask.ts";
import type { UnknownText } from "../shared/unknown-characters.ts";
import { readAnswer } from "./bounded-text.ts";
import { failureOfAnswer, failureOfFetch, RequestFailure } from "./request-failure.ts";
import { unknownFields, unknownOf } from "./unknown-tally.ts";

const MAX_RETRY_AFTER_MS = 60_000;
/** How long one request may wait for a worker that has too much to do. */
const MAX_BUSY_MS = 600_000;

/** Sends one request by the typed client. */
type Send = (init: RequestInit) => Promise<Response>;

const generateAnswer = z.object({ generated_text: z.string(), ...unknownFields });
const sampleAnswer = z.object({ details: z.object({ tokens: z.array(z.object({ id: z.int() })) }) });
const stepsAnswer = z.object({ data: z.array(z.object({ steps: z.array(z.object({ score: z.number() })) })) });
const scoreAnswer = z
  .object({
    chosen_score: z.number(),
    rejected_score: z.number(),
    preferred: z.enum(["chosen", "rejected"]),
    ...unknownFields,
  })
  .refine(
    ({ chosen_score: chosen, rejected_score: rejected, preferred }) =>
      chosen === rejected || preferred === (chosen > rejected ? "chosen" : "rejected"),
    { path: ["preferred"], message: "contradicts the scores" },
  );

/** What the vocabulary lacks of the texts that an answer is for; absent where it lacks nothing, or the server does not tell. */
export interface Told {
  unknown?: UnknownText | undefined;
}
export type PairScores = Pick<z.infer<typeof scoreAnswer>, "chosen_score" | "rejected_score" | "preferred">;

const servedModel = z.object({ id: z.string(), dtype: z.string(), files: z.array(z.object({ sha256: z.string() })) });
const infoAnswer = z.object({
  policy: servedModel,
  reward: servedModel.extend({ type: z.string().optional() }),
  template_version: z.string(),
  judge_context: z.string(),
});
const limitsAnswer = z.object({ max_waiting_requests: z.int().nonnegative() });

/** Names that differ when the weights or the way of scoring do. */
export interface ServedModels {
  model: string;
  rewardModel: string;
  /** Whether that is a process reward model, and no judge. */
  isProcess: boolean;
}

export interface ClientOptions {
  /** Root of the worker, e.g. http://127.0.0.1:8787. */
  url: string;
  apiKey?: string | undefined;
  /** Limit of one request, default 120,000. */
  timeoutMs?: number;
  /** Tries after the first, default 4. */
  retries?: number;
  /** Pause before the second try, doubled each time, default 500. */
  minPauseMs?: number;
  signal?: AbortSignal | undefined;
}

export interface WorkerClient {
  url: string;
  /** Ids of a sample, the end token included where it was drawn. */
  sample(ask: SampleAsk): Promise<number[]>;
  /** Scores of every step of completions of one prompt. */
  stepScores(prompt: string, completions: readonly string[]): Promise<number[][]>;
  generate(prompt: string, maxNewTokens: number): Promise<{ text: string } & Told>;
  score(pair: Pair, aggregation: Aggregation | undefined): Promise<{ scores: PairScores } & Told>;
  /** Resolves when the worker answers at all and is not busy starting; rejects with RequestFailure else. */
  health(): Promise<void>;
  /** What is served, by GET /info; the URL where the server does not tell. */
  models(): Promise<ServedModels>;
  /** Requests that the worker takes at a time, by GET /info; undefined where the server does not tell. */
  concurrencyLimit(): Promise<number | undefined>;
}

/** A client for one worker. Its functions reject with RequestFailure, or with the signal's reason once that is aborted. */
export function createClient(options: ClientOptions): WorkerClient {
  const { apiKey, timeoutMs = 120_000, retries = 4, minPauseMs = 500, signal } = options;
  const url = parseEndpoint(options.url);
  const worker = createWorkerClient(url, {
    headers: apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` },
  });

  /** One try; the text of the answer, which must be whole. */
  async function ask<T>(send: Send, parse: (text: string) => T): Promise<T> {
    const limit = AbortSignal.timeout(timeoutMs);
    try {
      // a redirect would send the key to another host
      const init: RequestInit = {
        redirect: "manual",
        signal: signal === undefined ? limit : AbortSignal.any([limit, signal]),
      };
      const response = await send(init);
      if (response.status >= 300 && response.status < 400) throw redirected(response);
      const text = await readAnswer(response);
      if (!response.ok) throw failureOfAnswer(response.status, response.headers.get("retry-after"), text);
      return parse(text);
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof RequestFailure ? error : failureOfFetch(error, timeoutMs);
    }
  }

  /** Waits while the worker has too much to do, which is no failed try. */
  async function askWhenFree<T>(send: Send, parse: (text: string) => T): Promise<T> {
    const since = Date.now();
    for (let pauseMs = minPauseMs; ; pauseMs = Math.min(2 * pauseMs, 16 * minPauseMs)) {
      try {
        return await ask(send, parse);
      } catch (error) {
        if (!(error instanceof RequestFailure) || !error.overloaded || Date.now() - since > MAX_BUSY_MS) throw error;
        const wished = Math.min(error.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS);
        // not all at once
        await sleep(Math.max(wished, pauseMs) * (1 + Math.random() / 4), undefined, { ...(signal && { signal }) });
      }
    }
  }

  function askAgain<T>(send: Send, parse: (text: string) => T): Promise<T> {
    return pRetry(() => askWhenFree(send, parse), {
      retries,
      minTimeout: minPauseMs,
      maxTimeout: 16 * minPauseMs,
      randomize: true,
      ...(signal === undefined ? {} : { signal }),
      shouldRetry: (error) => error instanceof RequestFailure && error.retryable && !error.overloaded,
      onFailedAttempt: async (error) => {
        if (!(error instanceof RequestFailure) || error.retriesLeft === 0 || error.retryAfterMs === undefined) return;
        await sleep(Math.min(error.retryAfterMs, MAX_RETRY_AFTER_MS), undefined, {
          ...(signal === undefined ? {} : { signal }),
        });
      },
    });
  }

  const info = () => askAgain((init) => worker.info.$get({}, { init }), parseJson("/info")).catch(unlessStopped);

  return {
    url,
    async generate(prompt, maxNewTokens) {
      const json = { inputs: prompt, parameters: { max_new_tokens: maxNewTokens, do_sample: false } };
      const send: Send = (init) => worker.generate.$post({ json }, { init });
      const answer = await askAgain(send, parseAnswer("/generate", generateAnswer));
      return { text: answer.generated_text, unknown: unknownOf(answer) };
    },
    async sample({ prompt, prefix, maxNewTokens, sampling, seed, stream, sample, stopTokenIds }) {
      const parameters = {
        max_new_tokens: maxNewTokens,
        do_sample: sampling.doSample,
        ...(sampling.doSample && { temperature: sampling.temperature, top_p: sampling.topP }),
        ...(sampling.doSample && sampling.topK > 0 && { top_k: sampling.topK }),
        ...(prefix !== "" && { prefix }),
        seed,
        random_stream: [stream, sample] satisfies [number, number],
        stop_token_ids: [...stopTokenIds],
        details: true,
      };
      const json = { inputs: prompt, parameters };
      const send: Send = (init) => worker.generate.$post({ json }, { init });
      return (await askAgain(send, parseAnswer("/generate", sampleAnswer))).details.tokens.map(({ id }) => id);
    },
    async stepScores(prompt, completions) {
      const json = { prompt, completions: [...completions] };
      const send: Send = (init) => worker.score.$post({ json }, { init });
      const { data } = await askAgain(send, parseAnswer("/score", stepsAnswer));
      return data.map(({ steps }) => steps.map(({ score }) => score));
    },
    async score({ prompt, chosen, rejected }, aggregation) {
      const json = { prompt, chosen, rejected, ...(aggregation === undefined ? {} : { aggregation }) };
      const send: Send = (init) => worker.score.$post({ json }, { init });
      const { usage, warnings, ...scores } = await askAgain(send, parseAnswer("/score", scoreAnswer));
      return { scores, unknown: unknownOf({ usage, warnings }) };
    },
    async health() {
      try {
        await askAgain(
          (init) => worker.health.$get({}, { init }),
          () => undefined,
        );
      } catch (error) {
        // a server without this route is there all the same
        if (error instanceof RequestFailure && error.status !== undefined && !error.retryable) return;
        throw error;
      }
    },
    async models() {
      const told = infoAnswer.safeParse(await info());
      if (!told.success) return { model: url, rewardModel: url, isProcess: false };
      const { policy, reward, template_version, judge_context } = told.data;
      return {
        model: nameOf(policy),
        rewardModel: `${nameOf(reward)} ${template_version} ${judge_context}`,
        isProcess: reward.type !== undefined && reward.type !== "judge",
      };
    },
    async concurrencyLimit() {
      const told = limitsAnswer.safeParse(await info());
      return told.success ? told.data.max_waiting_requests + 1 : undefined;
    },
  };

  function unlessStopped(): undefined {
    signal?.throwIfAborted();
    return undefined;
  }
}

function nameOf({ id, dtype, files }: z.infer<typeof servedModel>): string {
  const digest = createHash("sha256").update(files.map(({ sha256 }) => sha256).join());
  return `${id} ${dtype} ${digest.digest("hex").slice(0, 12)}`;
}

/** The worker's root. Throws InputError for what is no URL of one. */
export function parseEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new InputError({
      code: "bad_endpoint",
      what: `"${text}" is not an http or https URL`,
      where: "--endpoint",
      fix: "Give the worker's root, e.g. --endpoint http://127.0.0.1:8787.",
    });
  }
  return url.href.replace(/\/+$/, "");
}

function redirected(response: Response): RequestFailure {
  const to = response.headers.get("location") ?? "nowhere";
  return new RequestFailure(
    `HTTP ${response.status}: the server sends requests on to ${to}; give that address itself`,
    {
      status: response.status,
      retryable: false,
    },
  );
}

/** Text that is not JSON although the status was good: an answer that was cut off, which another try may give whole. */
function parseJson(path: string): (text: string) => unknown {
  return (text) => {
    try {
      return JSON.parse(text);
    } catch (cause) {
      const what = `POST ${path} answered something that is not JSON`;
      throw new RequestFailure(what, { status: 200, retryable: true, cause });
    }
  };
}

function parseAnswer<T>(path: string, schema: z.ZodType<T>): (text: string) => T {
  return (text) => {
    const parsed = schema.safeParse(parseJson(path)(text));
    if (parsed.success) return parsed.data;
    const field = parsed.error.issues[0]?.path.join(".") ?? "";
    throw new RequestFailure(`POST ${path} answered without a usable "${field}"`, { status: 200, retryable: false });
  };
}
