// The API as the page calls it. Where a request goes is the transport's business: a worker over HTTP, or the same app in this browser.

import { EventSourceParserStream } from "eventsource-parser/stream";
import * as z from "zod/mini";
import {
  type Info,
  infoAnswer,
  queueEvent,
  type ScoredCompletion,
  type ScoredStep,
  scoreAnswer,
  stepEvent,
  type TokenEvent,
  tokenEvent,
  warned,
} from "./answers.ts";
import { ApiFailure, failureOf, toFailure } from "./failure.ts";

/** Sends a request to a path of the API; answers and throws as fetch does. */
export type Transport = (path: string, init: RequestInit) => Promise<Response>;

export interface StreamEvents {
  onToken(event: TokenEvent): void;
  onStep(step: ScoredStep): void;
  onQueue?(position: number): void;
}

export interface ScoreRequest {
  prompt: string;
  completions: readonly string[];
  logprobs?: boolean;
}

export interface Client {
  info(signal?: AbortSignal): Promise<Info>;
  /** Any JSON endpoint, its answer held to `shape`. */
  post<T extends z.ZodMiniType>(path: string, body: unknown, shape: T, signal?: AbortSignal): Promise<z.output<T>>;
  score(request: ScoreRequest, signal?: AbortSignal): Promise<ScoredCompletion[]>;
  /** Streams one completion; resolves with its last event. */
  stream(body: unknown, events: StreamEvents, signal?: AbortSignal): Promise<TokenEvent>;
  /** The events of any stream of `/generate_stream`. */
  events(body: unknown, signal?: AbortSignal): AsyncGenerator<{ event: string; data: unknown }>;
}

/** Hears of characters of a question, or of what was scored, that the vocabulary lacks; of none, too. */
export type OnLacking = (prompt: string, characters: readonly string[]) => void;

/** Throws ApiFailure, whatever went wrong. */
export function createClient(transport: Transport, onLacking: OnLacking = () => undefined): Client {
  const ask = async (path: string, init: RequestInit): Promise<Response> => {
    const response = await transport(path, init).catch((error: unknown) => {
      throw toFailure(error);
    });
    if (!response.ok) throw await failureOf(response);
    return response;
  };
  const post = (path: string, body: unknown, signal?: AbortSignal): Promise<Response> =>
    ask(path, { method: "POST", body: JSON.stringify(body), ...(signal && { signal }) });
  const read = async <T extends z.ZodMiniType>(response: Response, shape: T, body?: unknown): Promise<z.output<T>> => {
    const json: unknown = await response.json().catch((error: unknown) => {
      throw toFailure(error);
    });
    hear(body, json);
    const parsed = shape.safeParse(json);
    if (parsed.success) return parsed.data;
    throw new ApiFailure("fault", "the server's answer is not what this page knows. Load the page again.");
  };

  const hear = (body: unknown, answer: unknown): void => {
    const asked = z.object({ inputs: z.optional(z.string()), prompt: z.optional(z.string()) }).safeParse(body);
    const prompt = asked.success ? (asked.data.inputs ?? asked.data.prompt) : undefined;
    const told = warned.safeParse(answer);
    if (prompt === undefined) return;
    onLacking(prompt, told.success ? told.data.warnings.flatMap(({ characters }) => characters) : []);
  };

  async function* events(body: unknown, signal?: AbortSignal): AsyncGenerator<{ event: string; data: unknown }> {
    const response = await post("generate_stream", body, signal);
    const stream = response.body?.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
    const reader = stream?.getReader();
    try {
      for (;;) {
        const next = await reader?.read().catch((error: unknown) => {
          // the model in this browser ends its answers so, where the page turns to another
          const isEnded = error instanceof DOMException && error.name === "AbortError";
          throw signal?.aborted === true || isEnded ? toFailure(new DOMException("", "AbortError")) : brokenOff(error);
        });
        if (next === undefined || next.done) return;
        const { event = "message", data } = next.value;
        const json: unknown = JSON.parse(data);
        if (event === "error") throw new ApiFailure("fault", errorText(json));
        if (event === "message") hear(body, json);
        yield { event, data: json };
      }
    } finally {
      await reader?.cancel().catch(() => undefined);
    }
  }

  return {
    events,
    info: async (signal) => read(await ask("info", signal === undefined ? {} : { signal }), infoAnswer),
    post: async (path, body, shape, signal) => read(await post(path, body, signal), shape, body),
    async score({ prompt, completions, logprobs = false }, signal) {
      const body = { prompt, completions, ...(logprobs && { return_logprobs: true }) };
      return (await read(await post("score", body, signal), scoreAnswer, body)).data;
    },
    async stream(body, { onToken, onStep, onQueue }, signal) {
      let last: TokenEvent | undefined;
      for await (const { event, data } of events(body, signal)) {
        if (event === "step") onStep(stepEvent.parse(data));
        else if (event === "queue") onQueue?.(queueEvent.parse(data).position);
        else {
          last = tokenEvent.parse(data);
          onToken(last);
        }
      }
      if (last?.details != null) return last;
      throw brokenOff(undefined);
    },
  };
}

/** A stream that ended before its last event. */
function brokenOff(cause: unknown): ApiFailure {
  if (cause instanceof ApiFailure) return cause;
  return new ApiFailure("lost", "the stream broke off before the text was whole.");
}

function errorText(json: unknown): string {
  const told = z.object({ error: z.string() }).safeParse(json);
  return told.success ? told.data.error : "the worker failed while it wrote.";
}
