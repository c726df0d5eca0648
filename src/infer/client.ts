// The worker's two POST routes as functions, with retry: a record is only given up when asking again cannot help.

import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import pRetry from "p-retry";
import { z } from "zod";
import type { Aggregation } from "../shared/aggregate.ts";
import { InputError } from "../shared/errors.ts";
import type { Pair } from "../shared/records.ts";
import { failureOfAnswer, failureOfFetch, RequestFailure } from "./request-failure.ts";

const MAX_RETRY_AFTER_MS = 60_000;

const generateAnswer = z.object({ generated_text: z.string() });
const scoreAnswer = z.object({
  chosen_score: z.number(),
  rejected_score: z.number(),
  preferred: z.enum(["chosen", "rejected"]),
});
export type PairScores = z.infer<typeof scoreAnswer>;

const servedModel = z.object({ id: z.string(), dtype: z.string(), files: z.array(z.object({ sha256: z.string() })) });
const infoAnswer = z.object({
  policy: servedModel,
  reward: servedModel,
  template_version: z.string(),
  judge_context: z.string(),
});

/** Names that differ when the weights or the way of scoring do. */
export interface ServedModels {
  model: string;
  rewardModel: string;
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
  generate(prompt: string, maxNewTokens: number): Promise<string>;
  score(pair: Pair, aggregation: Aggregation | undefined): Promise<PairScores>;
  /** Resolves when the worker answers at all and is not busy starting; rejects with RequestFailure else. */
  health(): Promise<void>;
  /** What is served, by GET /info; the URL where the server does not tell. */
  models(): Promise<ServedModels>;
}

/** A client for one worker. Its functions reject with RequestFailure, or with the signal's reason once that is aborted. */
export function createClient(options: ClientOptions): WorkerClient {
  const { apiKey, timeoutMs = 120_000, retries = 4, minPauseMs = 500, signal } = options;
  const url = parseEndpoint(options.url);

  async function ask(path: string, body?: unknown): Promise<string> {
    const limit = AbortSignal.timeout(timeoutMs);
    try {
      const response = await fetch(`${url}${path}`, {
        method: body === undefined ? "GET" : "POST",
        headers: {
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: signal === undefined ? limit : AbortSignal.any([limit, signal]),
      });
      const text = await response.text();
      if (!response.ok) throw failureOfAnswer(response.status, response.headers.get("retry-after"), text);
      return text;
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof RequestFailure ? error : failureOfFetch(error, timeoutMs);
    }
  }

  function askAgain(path: string, body?: unknown): Promise<string> {
    return pRetry(() => ask(path, body), {
      retries,
      minTimeout: minPauseMs,
      maxTimeout: 16 * minPauseMs,
      randomize: true,
      ...(signal === undefined ? {} : { signal }),
      shouldRetry: (error) => error instanceof RequestFailure && error.retryable,
      onFailedAttempt: async (error) => {
        if (!(error instanceof RequestFailure) || error.retriesLeft === 0 || error.retryAfterMs === undefined) return;
        await sleep(Math.min(error.retryAfterMs, MAX_RETRY_AFTER_MS), undefined, {
          ...(signal === undefined ? {} : { signal }),
        });
      },
    });
  }

  return {
    url,
    async generate(prompt, maxNewTokens) {
      const parameters = { max_new_tokens: maxNewTokens, do_sample: false };
      return parseAnswer("/generate", generateAnswer, await askAgain("/generate", { inputs: prompt, parameters }))
        .generated_text;
    },
    async score({ prompt, chosen, rejected }, aggregation) {
      const body = { prompt, chosen, rejected, ...(aggregation === undefined ? {} : { aggregation }) };
      return parseAnswer("/score", scoreAnswer, await askAgain("/score", body));
    },
    async health() {
      try {
        await askAgain("/health");
      } catch (error) {
        // a server without this route is there all the same
        if (error instanceof RequestFailure && error.status !== undefined && !error.retryable) return;
        throw error;
      }
    },
    async models() {
      const told = infoAnswer.safeParse(await askAgain("/info").then(JSON.parse).catch(unlessStopped));
      if (!told.success) return { model: url, rewardModel: url };
      const { policy, reward, template_version, judge_context } = told.data;
      return { model: nameOf(policy), rewardModel: `${nameOf(reward)} ${template_version} ${judge_context}` };
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

function parseEndpoint(text: string): string {
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

function parseAnswer<T>(path: string, schema: z.ZodType<T>, text: string): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new RequestFailure(`POST ${path} answered something that is not JSON`, {
      status: 200,
      retryable: false,
      cause,
    });
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const field = parsed.error.issues[0]?.path.join(".") ?? "";
  throw new RequestFailure(`POST ${path} answered without a usable "${field}"`, { status: 200, retryable: false });
}
