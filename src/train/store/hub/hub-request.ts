// One request to the Hub, with patience: no connection, 429 and 5xx are tried again (Retry-After honoured); what cannot be
// mended by waiting becomes an error that says what to do. Rate limits: https://huggingface.co/docs/hub/rate-limits

import { setTimeout as sleep } from "node:timers/promises";
import pRetry, { AbortError } from "p-retry";
import { CapacityError, InputError, StepwiseError } from "../../../shared/errors.ts";

const MAX_WAIT_MS = 5 * 60_000;
/** A name that cannot be looked up seldom can a minute later: no network, or a wrong HF_ENDPOINT. */
const DNS_RETRIES = 1;

export interface HubAccess {
  /** Root, e.g. https://huggingface.co. */
  endpoint: string;
  token: string | undefined;
  /** Tries after the first. */
  retries: number;
  minPauseMs: number;
  signal?: AbortSignal | undefined;
  /** Told of a failed try that another follows. */
  onRetry?: ((line: string) => void) | undefined;
}

/** How the Hub may be asked; what is left out is said by the environment. */
export interface HubOptions {
  /** Default HF_ENDPOINT, else https://huggingface.co. */
  endpoint?: string | undefined;
  /** Default HF_TOKEN. */
  token?: string | undefined;
  /** Ask no server; default HF_HUB_OFFLINE. */
  offline?: boolean | undefined;
  /** Told of a failed try that another follows. */
  onRetry?: ((line: string) => void) | undefined;
  signal?: AbortSignal | undefined;
  /** Tries after the first of each request, default 5. */
  retries?: number;
  /** First pause between tries, default 1000. */
  minPauseMs?: number;
}

export function hubAccess({ endpoint, token, retries = 5, minPauseMs = 1000, signal, onRetry }: HubOptions): HubAccess {
  return {
    endpoint: (endpoint ?? (process.env.HF_ENDPOINT || "https://huggingface.co")).replace(/\/+$/, ""),
    token: token ?? (process.env.HF_TOKEN || undefined),
    retries,
    minPauseMs,
    signal,
    onRetry,
  };
}

/** Whether no server may be asked. */
export function isOffline({ offline }: HubOptions): boolean {
  return offline ?? /^(1|on|yes|true)$/i.test(process.env.HF_HUB_OFFLINE ?? "");
}

/** What is asked for, for messages. */
export interface Asked {
  /** As its page on the Hub has it: of a data set with "datasets/" before it. */
  id: string;
  revision: string;
  /** "model" by default. */
  kind?: "model" | "data set";
}

/** The network failed: nothing answered, or the connection was cut. */
export class NetworkError extends StepwiseError {}

class BusyError extends CapacityError {}

/** A fetch bound to one repository: adds the token for the Hub's own host, retries, and throws errors for humans. */
export function hubFetch(access: HubAccess, asked: Asked): typeof fetch {
  return (input, init) => withRetry(access, async () => answered(await fetchOnce(access, input, init), access, asked));
}

/** Runs `attempt` again while it fails for the network or a busy Hub. */
export async function withRetry<T>(access: HubAccess, attempt: () => Promise<T>): Promise<T> {
  const { retries, minPauseMs, signal, onRetry = () => {} } = access;
  const retriesFor = (error: Error): number => (isDnsFailure(error) ? Math.min(DNS_RETRIES, retries) : retries);
  const guarded = async () => {
    try {
      return await attempt();
    } catch (error) {
      // a BusyError has been waited for below; other errors do not pass
      if (error instanceof NetworkError || error instanceof BusyError) throw error;
      throw new AbortError(error instanceof Error ? error : String(error));
    }
  };
  return pRetry(guarded, {
    retries,
    minTimeout: minPauseMs,
    maxTimeout: 20 * minPauseMs,
    randomize: true,
    ...(signal === undefined ? {} : { signal }),
    shouldRetry: (error) => error.attemptNumber <= retriesFor(error),
    // called after the last try too
    onFailedAttempt: async (error) => {
      if (error.attemptNumber > retriesFor(error)) return;
      onRetry(`${failureOf(error)}; retrying (${error.attemptNumber} of ${retriesFor(error)}) ...`);
      const waitMs = error instanceof BusyError && typeof error.cause === "number" ? error.cause : 0;
      if (waitMs > 0) await sleep(Math.min(waitMs, MAX_WAIT_MS), undefined, signal && { signal });
    },
  });
}

function failureOf(error: Error): string {
  return error instanceof StepwiseError ? error.what : error.message;
}

function isDnsFailure(error: Error): boolean {
  const inner = error.cause instanceof Error ? (error.cause.cause ?? error.cause) : undefined;
  return inner instanceof Error && "code" in inner && /^(ENOTFOUND|EAI_AGAIN)$/.test(String(inner.code));
}

/** One fetch; a failure to connect becomes a NetworkError. */
export async function fetchOnce(
  access: HubAccess,
  input: string | URL | Request,
  init?: RequestInit,
): Promise<Response> {
  const headers = new Headers(init?.headers);
  headers.set("user-agent", "stepwise-dpo");
  // fetch itself drops the token when it is redirected to another host
  if (access.token !== undefined) headers.set("authorization", `Bearer ${access.token}`);
  try {
    return await fetch(input, { ...init, headers, ...(access.signal === undefined ? {} : { signal: access.signal }) });
  } catch (cause) {
    access.signal?.throwIfAborted();
    throw networkError(cause, access);
  }
}

export function networkError(cause: unknown, access: HubAccess): NetworkError {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  return new NetworkError({
    code: "no_network",
    what: `${new URL(access.endpoint).host} cannot be reached: ${inner instanceof Error ? inner.message : String(inner)}`,
    fix: "Check the network or HF_ENDPOINT, or give a local model folder: --model DIR.",
    cause,
  });
}

/** Passes a good answer through; turns the others into errors. */
export async function answered(
  response: Response,
  access: HubAccess,
  { id, revision, kind = "model" }: Asked,
): Promise<Response> {
  const { status } = response;
  if (response.ok || status === 416) return response;
  const host = new URL(access.endpoint).host;
  await response.body?.cancel();
  if (status === 429 || status >= 500) {
    throw new BusyError({
      code: status === 429 ? "rate_limited" : "hub_failed",
      what: status === 429 ? `${host} allows no more requests for now` : `${host} answered ${status}`,
      where: id,
      fix: status === 429 ? "Try again in a few minutes; with HF_TOKEN set the limit is higher." : "Try again later.",
      cause: waitOf(response.headers.get("retry-after")),
    });
  }
  const code = response.headers.get("x-error-code");
  if (code === "RevisionNotFound") {
    throw new InputError({ code: "no_revision", what: `the ${kind} has no revision "${revision}"`, where: id });
  }
  // the Hub says 401 for repositories that do not exist when no valid token is given
  if (code === "GatedRepo" || status === 403 || (status === 401 && access.token !== undefined)) {
    throw new InputError({
      code: "no_access",
      what: code === "GatedRepo" ? `the ${kind} is gated` : `${host} refuses access (${status})`,
      where: id,
      fix: `Accept its terms on ${access.endpoint}/${id} and set HF_TOKEN to a token that may read it.`,
    });
  }
  throw new InputError({
    code: status === 401 ? "no_access" : "no_such_model",
    what:
      status === 401
        ? `no such ${kind}, or it is private or gated`
        : `neither a folder here nor a ${kind} on ${host} (${status})`,
    where: id,
    fix:
      status === 401
        ? `Check the name; for a private or gated ${kind} set HF_TOKEN.`
        : "Check the name: OWNER/NAME on the Hub, or a folder.",
  });
}

function waitOf(header: string | null): number | undefined {
  if (header === null) return undefined;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
