// Server-sent events: what a handler sends while it works, with a comment now and then while it waits, so that no proxy gives up.
// A failure before the first event is an ordinary HTTP error; a later one is an event named "error".
// https://html.spec.whatwg.org/multipage/server-sent-events.html

import type { AppDeps } from "./app-env.ts";
import { type Call, CallerLeft } from "./call.ts";
import { errorBody } from "./errors.ts";

/** Sends one event: text as it is, anything else as JSON. */
export type Send = (data: unknown, event?: string) => void;

const HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache",
  "x-accel-buffering": "no",
};

export interface SseTiming {
  /** How long the status waits for a first event or a failure. */
  settleMs: number;
  /** A comment after so long without an event. */
  heartbeatMs: number;
}
const TIMING: SseTiming = { settleMs: 1_000, heartbeatMs: 5_000 };

/**
 * Answers with the events that `produce` sends until it resolves. Rejects as `produce` does when it fails before its first event. A
 * reader that leaves aborts the call.
 */
export async function streamEvents(
  { log }: Pick<AppDeps, "log">,
  call: Call,
  produce: (send: Send) => Promise<void>,
  timing: SseTiming = TIMING,
): Promise<Response> {
  const outbox = createOutbox();
  const send: Send = (data, event) =>
    outbox.put(`${event === undefined ? "" : `event: ${event}\n`}${dataLines(data)}\n`);
  const work = produce(send);
  let failure: { error: unknown } | undefined;
  const end = () => {
    call.end?.();
    outbox.end();
  };
  const settled = work.then(end, (error: unknown) => {
    failure = { error };
    end();
  });
  call.keepAlive?.(settled);
  await outbox.changed(timing.settleMs);
  if (failure !== undefined && outbox.isEmpty) throw failure.error;

  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    // only here, in the context of its own request, is the stream touched: `send` may be called in another's
    async pull(controller) {
      if (outbox.isEmpty && !outbox.ended) await outbox.changed(timing.heartbeatMs);
      if (!outbox.isEmpty) return controller.enqueue(encoder.encode(outbox.take()));
      if (!outbox.ended) return controller.enqueue(encoder.encode(": waiting\n\n"));
      if (failure !== undefined && !(failure.error instanceof CallerLeft)) {
        const { body: told } = errorBody(failure.error, call.requestId, log);
        controller.enqueue(encoder.encode(`event: error\n${dataLines(told)}\n`));
      }
      controller.close();
    },
    cancel() {
      call.abort(new CallerLeft());
    },
  });
  return new Response(body, { headers: HEADERS });
}

function dataLines(data: unknown): string {
  const text = typeof data === "string" ? data : JSON.stringify(data);
  return text
    .split("\n")
    .map((line) => `data: ${line}\n`)
    .join("");
}

/** Texts on their way from the work to the stream. */
function createOutbox() {
  let texts: string[] = [];
  let ended = false;
  let wake: () => void = () => undefined;
  return {
    get isEmpty() {
      return texts.length === 0;
    },
    get ended() {
      return ended;
    },
    put(text: string) {
      texts.push(text);
      wake();
    },
    end() {
      ended = true;
      wake();
    },
    take(): string {
      const all = texts.join("");
      texts = [];
      return all;
    },
    /** Resolves when something was put, at the end, or after `limitMs`. */
    async changed(limitMs: number): Promise<void> {
      if (texts.length > 0 || ended) return;
      let timer: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((resolve) => {
        wake = resolve;
        timer = setTimeout(resolve, limitMs);
      });
      clearTimeout(timer);
    },
  };
}
