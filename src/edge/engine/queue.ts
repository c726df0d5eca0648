// One request at a time through the model, in order of arrival, with a bounded line. A turn whose request was cut off by the
// platform never ends by itself: after `leaseMs` it no longer counts, neither as running nor as waiting.

import { CapacityError } from "../../shared/errors.ts";

export interface Queue {
  /** Runs `task` when its turn comes. Throws CapacityError (code "busy") when the line is full. */
  run<T>(task: () => Promise<T>): Promise<T>;
  /** Requests running or waiting. */
  readonly length: number;
}

/** A queue that lets one task run and `maxWaiting` wait. */
export function createQueue(options: { maxWaiting: number; leaseMs: number }): Queue {
  const { maxWaiting, leaseMs } = options;
  let line: { since: number; done: Promise<void> }[] = [];
  const dropStale = () => {
    const oldest = Date.now() - leaseMs;
    line = line.filter((turn) => turn.since > oldest);
  };
  return {
    get length() {
      dropStale();
      return line.length;
    },
    async run(task) {
      dropStale();
      if (line.length > maxWaiting) {
        throw new CapacityError({
          code: "busy",
          what: `${line.length} requests are running or waiting`,
          fix: "Try again in a second.",
        });
      }
      const before = line.at(-1)?.done;
      const { promise: done, resolve: finish } = deferred();
      const turn = { since: Date.now(), done };
      line.push(turn);
      try {
        if (before !== undefined) await atMost(before, leaseMs);
        turn.since = Date.now();
        return await task();
      } finally {
        line = line.filter((other) => other !== turn);
        finish();
      }
    },
  };
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

async function atMost(promise: Promise<void>, limitMs: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  await Promise.race([promise, limit]);
  clearTimeout(timer);
}
