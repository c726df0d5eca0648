// How a request failed, and whether asking again can help: no answer at all, 429 and 5xx may pass; other 4xx will not.

import { printable } from "./printable.ts";

const MAX_SAID = 1_000;

/** A failed request. `status` is undefined when there was no answer. */
export class RequestFailure extends Error {
  readonly status: number | undefined;
  readonly retryable: boolean;
  /** The server's own wish, from Retry-After. */
  readonly retryAfterMs: number | undefined;
  /** The server has too much to do: no fault of the request, which only has to wait. */
  readonly overloaded: boolean;

  constructor(
    message: string,
    options: {
      status?: number;
      retryable: boolean;
      retryAfterMs?: number | undefined;
      overloaded?: boolean;
      cause?: unknown;
    },
  ) {
    super(printable(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "RequestFailure";
    this.status = options.status;
    this.retryable = options.retryable;
    this.retryAfterMs = options.retryAfterMs;
    this.overloaded = options.overloaded ?? false;
  }
}

/** Milliseconds of a Retry-After header: seconds or an HTTP date; undefined when absent or not understood. */
function parseRetryAfter(header: string | null, nowMs = Date.now()): number | undefined {
  if (header === null) return undefined;
  if (/^\s*\d+\s*$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

/** The failure that an answer outside 2xx stands for; the worker's own words are kept when it sent any. */
export function failureOfAnswer(status: number, retryAfter: string | null, body: string): RequestFailure {
  let said = body.trim().slice(0, 200);
  let type = "";
  try {
    const json: unknown = JSON.parse(body);
    if (typeof json === "object" && json !== null && "error" in json && typeof json.error === "string") {
      said = json.error.slice(0, MAX_SAID);
      if ("error_type" in json && typeof json.error_type === "string") type = json.error_type;
    }
  } catch {
    // not JSON: the text itself is what it said
  }
  return new RequestFailure(said === "" ? `HTTP ${status}` : `HTTP ${status}: ${said}`, {
    status,
    retryable: status === 429 || status >= 500,
    retryAfterMs: parseRetryAfter(retryAfter),
    overloaded: status === 429 || (status === 503 && type === "overloaded"),
  });
}

/** The failure that an error thrown by fetch stands for: fetch hides the reason in `cause`. */
export function failureOfFetch(error: unknown, timeoutMs: number): RequestFailure {
  if (error instanceof Error && error.name === "TimeoutError") {
    return new RequestFailure(`no answer within ${timeoutMs / 1000} s`, { retryable: false, cause: error });
  }
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const said = inner instanceof Error ? inner.message : String(inner);
  const code = inner instanceof Error && "code" in inner && typeof inner.code === "string" ? inner.code : "";
  const reason = said === "" ? code : said;
  return new RequestFailure(`no connection: ${reason}`, { retryable: true, cause: error });
}
