// Failures as HTTP: one shape, `{error, error_type}`, and the statuses of the API's contract. A failure that nobody threw on
// purpose becomes a 500 that tells the request id and nothing else.

import type { Context } from "hono";
import { ArtifactError, CapacityError, InputError } from "../../shared/errors.ts";
import type { AppDeps, AppEnv } from "./app-env.ts";
import { CallerLeft } from "./call.ts";

export type ErrorStatus = 400 | 401 | 403 | 404 | 405 | 408 | 413 | 422 | 429 | 499 | 500 | 503;

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
  // seen by the log alone: nobody reads the answer
  if (error instanceof CallerLeft) return new HttpError(499, "cancelled", "the caller has gone.");
  if (error instanceof InputError) return new HttpError(422, "validation", error.message);
  if (error instanceof CapacityError) return new HttpError(503, "overloaded", error.message, { "retry-after": "1" });
  if (error instanceof ArtifactError) return new HttpError(503, "unavailable", error.message, { "retry-after": "5" });
  return undefined;
}

/** A line of the log: a new version of the models could not be opened. */
export function notRenewed(error: unknown): string {
  const told = error instanceof ArtifactError || error instanceof CapacityError ? error.message : String(error);
  return JSON.stringify({ event: "models_not_renewed", error: told });
}

/** What an error tells the caller: the one shape. A fault that nobody foresaw is logged with its stack, and only its id is told. */
export function errorBody(
  error: unknown,
  requestId: string,
  log: AppDeps["log"],
): { status: ErrorStatus; headers: Readonly<Record<string, string>>; body: Record<string, string> } {
  const known = toHttpError(error);
  if (known !== undefined) {
    const { status, headers, message, errorType } = known;
    return { status, headers, body: { error: message, error_type: errorType } };
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  log(JSON.stringify({ level: "error", request_id: requestId, stack }));
  return {
    status: 500,
    headers: {},
    body: { error: "internal error", error_type: "internal", request_id: requestId },
  };
}

/** Hono's onError: answers in the one shape. When a line is full, the pace of late says when to come again. */
export function respondToErrors({ log, accounts }: Pick<AppDeps, "log" | "accounts">) {
  return (error: unknown, c: Context<AppEnv>): Response => {
    const { status, headers, body } = errorBody(error, c.get("requestId"), log);
    const again = error instanceof CapacityError ? { "retry-after": String(accounts.retryAfter()) } : {};
    return Response.json(body, { status, headers: { ...headers, ...again } });
  };
}

/** The answer of a worker whose variables or bindings are wrong: the owner reads what to mend. */
export function misconfigured(error: unknown): Response {
  const known = toHttpError(error);
  if (known === undefined) throw error;
  const body = { error: known.message, error_type: "unavailable" };
  const headers = { "retry-after": "60", "x-request-id": crypto.randomUUID() };
  return Response.json(body, { status: 503, headers });
}
