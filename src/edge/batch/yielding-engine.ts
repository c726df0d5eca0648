// The engine as a batch has it: interactive requests go first. While any is there, or was a moment ago, the batch has one request in the
// engine; else as many as are worked on together.

import type { Engine } from "../engine/engine.ts";

/** Beside interactive requests, and alone. */
const BESIDE = 1;
const ALONE = 16;
/** Clients that ask again and again are still there in between. */
const LINGER_MS = 1_500;
const LOOK_MS = 20;

/** An engine whose calls wait until they disturb nobody. One for all batches of the isolate. */
export function createYieldingEngine(engine: Engine, now: () => number = Date.now): Engine {
  let own = 0;
  let seenAt = Number.NEGATIVE_INFINITY;
  const places = (): number => {
    const { running, waiting } = engine.status();
    if (running + waiting > own) seenAt = now();
    return now() - seenAt < LINGER_MS ? BESIDE : ALONE;
  };
  const yielding = async <T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> => {
    // each caller looks for itself: a promise of another request's may never be resolved
    while (own >= places()) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      signal?.throwIfAborted();
    }
    own += 1;
    try {
      return await work();
    } finally {
      own -= 1;
    }
  };
  return {
    load: () => engine.load(),
    generate: (options) => yielding(options.signal, () => engine.generate(options)),
    score: (options) => yielding(options.signal, () => engine.score(options)),
    forced: (options) => yielding(options.signal, () => engine.forced(options)),
    status: () => engine.status(),
    get queueLength() {
      return engine.queueLength;
    },
    get memoryBytes() {
      return engine.memoryBytes;
    },
  };
}
