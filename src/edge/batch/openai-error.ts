// Failures of the Batch API in OpenAI's shape: `{error: {message, type, param, code}}`.

import type { Context } from "hono";
import type { AppDeps, AppEnv } from "../http/app-env.ts";
import { errorBody } from "../http/errors.ts";

export class BatchError extends Error {
  readonly status: 400 | 404 | 408 | 409 | 413 | 429 | 501;
  readonly type: string;
  readonly param: string | null;
  readonly code: string | null;

  constructor(
    status: BatchError["status"],
    type: string,
    message: string,
    { param = null, code = null }: { param?: string | null; code?: string | null },
  ) {
    super(message);
    this.name = "BatchError";
    this.status = status;
    this.type = type;
    this.param = param;
    this.code = code;
  }
}

/** An id that this caller has not: whether another has it is not told. */
export function notFound(kind: "file" | "batch", id: string): BatchError {
  const shown = /^[\w-]{1,80}$/.test(id) ? ` with id "${id}"` : "";
  return new BatchError(404, "invalid_request_error", `There is no ${kind}${shown}.`, {
    param: "id",
    code: "not_found",
  });
}

/** The paths of the Files and Batch API, and all below them. */
export function isBatchPath(path: string): boolean {
  return /^\/v1\/(files|batches)(\/|$)/.test(path);
}

/** Codes of OpenAI's own for what is refused before a path is looked at. */
const CODES: Readonly<Record<number, string>> = { 401: "invalid_api_key", 429: "rate_limit_exceeded" };

/** Hono's onError for these paths. */
export function respondToBatchErrors({ log }: Pick<AppDeps, "log">) {
  return (error: unknown, c: Context<AppEnv>): Response => {
    if (error instanceof BatchError) {
      const { status, type, message, param, code } = error;
      // what is off stays off: no client needs to ask again
      const headers: Record<string, string> =
        status === 501 ? { "x-should-retry": "false" } : status === 429 ? { "retry-after": "1" } : {};
      return Response.json({ error: { message, type, param, code } }, { status, headers });
    }
    const { status, headers, body } = errorBody(error, c.get("requestId"), log);
    const type = status >= 500 ? "server_error" : "invalid_request_error";
    const told = { message: body.error, type, param: null, code: CODES[status] ?? body.error_type ?? null };
    return Response.json({ error: told }, { status, headers });
  };
}
