// The engine as batches have it: interactive requests go first. While any is there, or was a moment ago, batches have few requests in the
// engine; else as many as are worked on together. Among batches the higher priority goes first, then the owner with fewer requests inside,
// then whoever came first; who waits for long rises, so that none waits for ever.

import type { Engine } from "../engine/engine.ts";
import { sleep } from "../sleep.ts";

export const PRIORITIES = ["low", "normal", "high"] as const;
export type Priority = (typeof PRIORITIES)[number];

/** Whose request it is, and when it is too late to begin. */
export interface Turn {
  owner: string;
  priority: Priority;
  /** Asked while it waits: true ends the waiting with StepOver. */
  isOver: () => boolean;
}

/** The step's time was over before the request's turn came. */
export class StepOver extends Error {
  constructor() {
    super("the step is over");
    this.name = "StepOver";
  }
}

interface Place {
  turn: Turn;
  isInside: boolean;
  since: number;
  /** When it was last heard of: work that was cut off leaves no other trace. */
  heardAt: number;
}

/** Requests of batches where there are no others. */
const ALONE = 16;
/** Clients that ask again and again are still there in between. */
const LINGER_MS = 1_500;
const LOOK_MS = 20;
const HEARTBEAT_MS = 2_000;
const GONE_MS = 10_000;
/** Who waited so long stands one priority higher. */
const RISE_MS = 5_000;

/** Engines whose calls wait until they disturb nobody, one for each request; one maker for all batches of the isolate. */
export function createYieldingEngine(
  engine: Engine,
  { beside, now = Date.now }: { beside: number; now?: () => number },
): (turn: Turn) => Engine {
  let places: Place[] = [];
  let next: Place | undefined;
  let seenAt = Number.NEGATIVE_INFINITY;

  const inside = (owner?: string): number =>
    places.filter(({ isInside, turn }) => isInside && (owner === undefined || turn.owner === owner)).length;
  const isGone = ({ heardAt }: Place): boolean => now() - heardAt > GONE_MS;
  const allowed = (own: number): number => {
    const { running, waiting } = engine.status();
    if (running + waiting > own) seenAt = now();
    return now() - seenAt < LINGER_MS ? beside : ALONE;
  };
  /** Smaller goes first. */
  const rank = ({ turn, since }: Place): [number, number, number] => [
    -PRIORITIES.indexOf(turn.priority) - Math.floor((now() - since) / RISE_MS),
    inside(turn.owner),
    since,
  ];
  const firstOfLine = (): Place | undefined => {
    const line = places.filter((place) => !place.isInside).map((place) => ({ place, rank: rank(place) }));
    line.sort((a, b) => a.rank[0] - b.rank[0] || a.rank[1] - b.rank[1] || a.rank[2] - b.rank[2]);
    return line[0]?.place;
  };
  const mayEnter = (place: Place): boolean => {
    const own = inside();
    if (own >= allowed(own)) return false;
    // looked up once for all that ask in vain
    if (next === undefined || next.isInside || !places.includes(next) || isGone(next)) next = firstOfLine();
    return next === place;
  };

  const wait = async (place: Place, signal: AbortSignal | undefined): Promise<void> => {
    for (;;) {
      place.heardAt = now();
      if (places.some(isGone)) places = places.filter((other) => !isGone(other));
      if (mayEnter(place)) break;
      if (place.turn.isOver()) throw new StepOver();
      // each caller looks for itself: a promise of another request's may never be resolved
      await sleep(LOOK_MS);
      signal?.throwIfAborted();
    }
    place.isInside = true;
    next = undefined;
  };

  return (turn) => {
    let hasBegun = false;
    const yielding = async <T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> => {
      // what has begun is finished
      const own = { ...turn, isOver: () => !hasBegun && turn.isOver() };
      const place: Place = { turn: own, isInside: false, since: now(), heardAt: now() };
      places = [...places, place];
      const heartbeat = setInterval(() => {
        place.heardAt = now();
      }, HEARTBEAT_MS);
      try {
        await wait(place, signal);
        hasBegun = true;
        return await work();
      } finally {
        clearInterval(heartbeat);
        places = places.filter((other) => other !== place);
      }
    };
    return {
      load: () => engine.load(),
      generate: (options) => yielding(options.signal, () => engine.generate(options)),
      score: (options) => yielding(options.signal, () => engine.score(options)),
      forced: (options) => yielding(options.signal, () => engine.forced(options)),
      renew: () => engine.renew(),
      status: () => engine.status(),
      get queueLength() {
        return engine.queueLength;
      },
      get memoryBytes() {
        return engine.memoryBytes;
      },
    };
  };
}
