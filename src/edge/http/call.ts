// One call of the API as the handlers see it, without HTTP: who asks, under which id, and whether the caller is still there. A batch job
// makes calls of its own.

import type { Context } from "hono";
import type { AppEnv } from "./app-env.ts";

export interface Call {
  requestId: string;
  /** The key's name, or the caller's address where there are no keys. */
  client: string;
  /** Scheme and host that the caller used; absent where there is no request. */
  origin?: string | undefined;
  /** Aborted once nobody waits for the answer. */
  signal: AbortSignal;
  /** Ends the call's work. */
  abort: (reason: unknown) => void;
  /** For a stream, which outlives its handler: its work has ended. */
  end?: (() => void) | undefined;
  /**
   * The platform ends a request whose caller has gone, and with it every timer of its work, wherever that stands: not before this promise
   * has settled.
   */
  keepAlive?: ((work: Promise<unknown>) => void) | undefined;
}

/** A call that nothing but its own `abort` ends. */
export function newCall(requestId: string, client: string, origin?: string): Call {
  const controller = new AbortController();
  return { requestId, client, origin, signal: controller.signal, abort: (reason) => controller.abort(reason) };
}

/**
 * The call of a request. Its signal is a copy of the request's: workerd binds that one to its request, and the engine's loop may run in
 * another's.
 */
export function callOf(c: Context<AppEnv>): Call {
  const call = newCall(c.get("requestId"), c.get("client"), new URL(c.req.url).origin);
  const { signal } = c.req.raw;
  const leave = () => call.abort(new CallerLeft());
  if (signal.aborted) leave();
  else signal.addEventListener("abort", leave, { once: true });
  return { ...call, end: c.get("leave"), keepAlive: (work) => keepAlive(c, work) };
}

/** Lets work go on when the answer is out, or its caller gone. */
export function keepAlive(c: Context<AppEnv>, work: Promise<unknown>): void {
  // Hono throws where the platform has no such thing
  let context: Pick<typeof c.executionCtx, "waitUntil"> | undefined;
  try {
    context = c.executionCtx;
  } catch {
    return;
  }
  context.waitUntil(work);
}

/** The caller closed the connection: nobody reads the answer. */
export class CallerLeft extends Error {
  constructor() {
    super("the caller has gone");
    this.name = "CallerLeft";
  }
}
