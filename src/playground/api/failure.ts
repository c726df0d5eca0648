// What can go wrong between the page and a model, by what the person can do about it.

import { errorAnswer } from "./answers.ts";

/**
 * `stopped` by the person; `lost`: nobody answers, or a stream broke off; `key`; `rate`: too much was asked; `busy`: the line is full;
 * `unavailable`: the models cannot be used; `refused`: the request is wrong; `too_large`: the model does not fit into this browser;
 * `fault`: anything else.
 */
export type FailureKind =
  | "stopped"
  | "lost"
  | "key"
  | "rate"
  | "busy"
  | "unavailable"
  | "refused"
  | "too_large"
  | "fault";

export class ApiFailure extends Error {
  readonly kind: FailureKind;
  /** When to come again. */
  readonly retryAfterS: number | undefined;

  constructor(kind: FailureKind, message: string, retryAfterS?: number) {
    super(message);
    this.name = "ApiFailure";
    this.kind = kind;
    this.retryAfterS = retryAfterS;
  }
}

const KINDS: Readonly<Record<number, FailureKind>> = { 401: "key", 429: "rate", 503: "busy" };

/** The failure that an answer tells of. */
export async function failureOf(response: Response): Promise<ApiFailure> {
  const told = errorAnswer.safeParse(await response.json().catch(() => undefined));
  const after = Number(response.headers.get("retry-after") ?? Number.NaN);
  const retryAfterS = Number.isFinite(after) ? after : undefined;
  if (!told.success) return new ApiFailure("fault", `the server answered with status ${response.status}.`, retryAfterS);
  const { error, error_type: type } = told.data;
  if (type === "unavailable") return new ApiFailure("unavailable", error, retryAfterS);
  const other = response.status >= 500 ? "fault" : "refused";
  return new ApiFailure(KINDS[response.status] ?? other, error, retryAfterS);
}

/** Any error as a failure: fetch throws TypeError where nobody answers, and AbortError where the person stopped. */
export function toFailure(error: unknown): ApiFailure {
  if (error instanceof ApiFailure) return error;
  if (error instanceof DOMException && error.name === "AbortError") return new ApiFailure("stopped", "stopped.");
  if (error instanceof TypeError) return new ApiFailure("lost", "the worker does not answer.");
  return new ApiFailure("fault", error instanceof Error ? error.message : String(error));
}
