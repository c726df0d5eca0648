// Failures as HTTP: one shape, `{error, error_type}`, and the statuses of the API's contract. A failure that nobody threw on
// purpose becomes a 500 that tells the request id and nothing else.

import type { Context } from "hono";
import { ArtifactError, CapacityError, InputError } from "../../shared/errors.ts";
import type { AppDeps, AppEnv } from "./app-env.ts";

export type ErrorStatus = 400 | 401 | 404 | 405 | 413 | 422 | 429 | 500 | 503;

/** A failure of HTTP itself: not found, too large, not allowed. */
export class HttpError extends Error {
  readonly status: ErrorStatus;
  readonly errorType: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: ErrorStatus, errorType: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = "HttpError";
    this.status = status;
    this.errorType = errorType;
    this.headers = headers;
  }
}

/** The HTTP face of any error; undefined for one that nobody threw on purpose. */
export function toHttpError(error: unknown): HttpError | undefined {
  if (error instanceof HttpError) return error;
  if (error instanceof InputError) return new HttpError(422, "validation", error.message);
  if (error instanceof CapacityError) return new HttpError(503, "overloaded", error.message, { "retry-after": "1" });
  if (error instanceof ArtifactError) return new HttpError(503, "unavailable", error.message, { "retry-after": "5" });
  return undefined;
}

/** Hono's onError: logs a fault with its stack, answers in the one shape. */
export function respondToErrors({ log }: Pick<AppDeps, "log">) {
  return (error: unknown, c: Context<AppEnv>): Response => {
    const known = toHttpError(error);
    if (known !== undefined) {
      return c.json({ error: known.message, error_type: known.errorType }, known.status, known.headers);
    }
    const requestId = c.get("requestId");
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    log(JSON.stringify({ level: "error", request_id: requestId, stack }));
    return c.json({ error: "internal error", error_type: "internal", request_id: requestId }, 500);
  };
}

/** The answer of a worker whose variables or bindings are wrong: the owner reads what to mend. */
export function misconfigured(error: unknown): Response {
  const known = toHttpError(error);
  if (known === undefined) throw error;
  const body = { error: known.message, error_type: "unavailable" };
  return Response.json(body, { status: 503, headers: { "retry-after": "60" } });
}
