// How fast requests were done lately, from the times of the last of them.

/** Times that are remembered: enough for a pace, however many requests come. */
export const MAX_TIMES = 1_000;
const PACE_MS = 30_000;

export interface Pace {
  /** A request was done now. */
  count(): void;
  /** Requests a millisecond, in the last half minute; undefined where none was done. */
  perMs(): number | undefined;
  /** Times that are held. */
  readonly held: number;
}

/** `now` is in milliseconds. */
export function createPace(now: () => number): Pace {
  let times: number[] = [];
  return {
    count() {
      times.push(now());
      // cut seldom, so that each costs next to nothing
      if (times.length >= 2 * MAX_TIMES) times = times.slice(-MAX_TIMES);
    },
    perMs() {
      times = times.filter((at) => at > now() - PACE_MS).slice(-MAX_TIMES);
      const [first] = times;
      return first === undefined ? undefined : times.length / Math.max(1_000, now() - first);
    },
    get held() {
      return times.length;
    },
  };
}
