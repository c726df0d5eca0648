// What all requests share and the first of them opens. The others look again and again, on timers of their own: workerd binds a promise to
// the request that made it, so that one request must not wait for another's. An opener that is never heard of again loses its turn.

import { sleep } from "../sleep.ts";

export interface OpenedOnce<T> {
  /** Opens it, or waits until another request has; throws what `open` threw, for a while, before it is tried again. */
  get(): Promise<T>;
  /** What is open. */
  readonly value: T | undefined;
  /** From now on another is what is open. */
  replace(value: T): void;
  /** The next who asks opens it anew. */
  forget(): void;
}

type State<T> =
  | { kind: "absent" }
  | { kind: "opening"; until: number }
  | { kind: "failed"; error: unknown; until: number }
  | { kind: "open"; value: T };

export interface OpeningTimes {
  /** How long one that fails is not tried again. */
  retryMs: number;
  /** How long one request may take before another tries. */
  leaseMs: number;
}

const LOOK_MS = 20;

/** Nothing is opened before the first `get`. */
export function createOpenedOnce<T>(open: () => Promise<T>, { retryMs, leaseMs }: OpeningTimes): OpenedOnce<T> {
  let state: State<T> = { kind: "absent" };
  const openNow = async (): Promise<T> => {
    const mine: State<T> = { kind: "opening", until: Date.now() + leaseMs };
    state = mine;
    try {
      const value = await open();
      state = { kind: "open", value };
      return value;
    } catch (error) {
      if (state === mine) state = { kind: "failed", error, until: Date.now() + retryMs };
      throw error;
    }
  };
  return {
    async get() {
      for (;;) {
        if (state.kind === "open") return state.value;
        if (state.kind === "absent" || Date.now() >= state.until) return openNow();
        if (state.kind === "failed") throw state.error;
        await sleep(LOOK_MS);
      }
    },
    get value() {
      return state.kind === "open" ? state.value : undefined;
    },
    replace(value) {
      state = { kind: "open", value };
    },
    forget() {
      state = { kind: "absent" };
    },
  };
}
