// Who works when: requests enter while their memory fits, in order of arrival, and then all go on together, a bit of each a turn. One of
// the waiting callers drives, a second at most, so that no request pays for the computing of all; when it is done or gone, another drives
// on. The others look how far their jobs are, again and again, on timers of their own: workerd binds a promise to the request that made it,
// and what another request resolves is lost when that one has ended. So no promise here is awaited by two requests, or resolved by another
// than its own. A caller that is no longer heard of loses its place. What belongs to a request (its stream, its signal) is only touched in
// its own loop. https://developers.cloudflare.com/workers/observability/errors/#cannot-perform-io-on-behalf-of-a-different-request

import { CapacityError } from "../../shared/errors.ts";
import { sleep } from "../sleep.ts";
import type { SharedRows } from "./memory-budget.ts";

/** A request's work. Memory is held from the first `advance` until `release`. */
export interface Job {
  /** What it holds at most, while it runs, beside `rows`. */
  readonly bytes: number;
  /** What a run of a graph takes on top while it lasts. */
  readonly workingBytes?: number | undefined;
  /** Rows that it has among those of other jobs. */
  readonly rows?: SharedRows | undefined;
  readonly isDone: boolean;
  /** Whether `advance` has something to do; work that is shared goes on without it. */
  readonly hasWork: boolean;
  /** A bit of work: one run of a graph, more or less. What it throws ends the job. */
  advance(): Promise<void>;
  /** Called after each turn, and at the end, in the caller's own loop. */
  deliver(): void;
  /** Gives back what it holds; called once. */
  release(): void;
}

export interface SchedulerOptions {
  maxRunning: number;
  maxWaiting: number;
  /** How long a request waits for its turn at most. */
  maxWaitMs: number;
  /** How long it runs at most. */
  maxRunMs: number;
  /** Bytes that running jobs may hold together; one job runs whatever it holds. */
  budgetBytes: () => number;
  /** What jobs hold at most together; by default the sum of their bytes. */
  heldBytes?: (jobs: readonly Job[]) => number;
  /** A step of what running jobs share. */
  shared: () => Promise<void>;
  tooLong: () => Error;
  /** Told how long a request waited, when it begins to run. */
  onStart?: (waitedMs: number) => void;
}

export interface Scheduler {
  /**
   * Resolves when the job is done; rejects with its failure, the signal's reason, or CapacityError when the line is full or slow.
   * `onQueue` is told the place in the line, from 1, whenever it changes.
   */
  run(job: Job, signal?: AbortSignal, onQueue?: (position: number) => void): Promise<void>;
  readonly running: number;
  readonly waiting: number;
  /** Whether such a job has come and was not yet released. */
  holds(is: (job: Job) => boolean): boolean;
}

interface Entry {
  job: Job;
  state: "waiting" | "running" | "ended";
  /** When it came, then when it began to run. */
  since: number;
  /** When its caller was last heard of, and in which turn. */
  heard: { at: number; turn: number };
  onQueue?: ((position: number) => void) | undefined;
  /** What it was told last. */
  place: number;
  failure?: { error: unknown };
}

/** So long a large request lets smaller ones pass that came later. */
const PASSING_MS = 3_000;
/** How often a caller looks after its job: one that runs, and one in the line. */
const LOOK_MS = 5;
const LOOK_FROM_LINE_MS = 20;
/** After so long without a turn, nobody drives. */
const STALLED_MS = 500;
/** A caller drives so long at a time where there are others. */
const DRIVE_MS = 1_000;
/** A caller not heard of for so long, and for some turns, is gone. */
const GONE_MS = 10_000;
const GONE_TURNS = 3;

/** A scheduler with nothing to do. */
export function createScheduler(options: SchedulerOptions): Scheduler {
  const { heldBytes = (jobs) => jobs.reduce((sum, { bytes }) => sum + bytes, 0) } = options;
  let entries: Entry[] = [];
  let driver: object | undefined;
  let isInTurn = false;
  let turn = 0;
  let next = 0;
  /** Ended while a graph ran that may read what they hold. */
  const toRelease: Job[] = [];

  const inState = (state: Entry["state"]): Entry[] => entries.filter((entry) => entry.state === state);
  const releaseAll = (): void => {
    for (const job of toRelease.splice(0)) job.release();
  };
  const end = (entry: Entry): void => {
    if (entry.state === "ended") return;
    entry.state = "ended";
    entries = entries.filter((other) => other !== entry);
    toRelease.push(entry.job);
    if (!isInTurn) releaseAll();
  };

  const admit = (): void => {
    const now = Date.now();
    for (const entry of inState("waiting")) {
      const running = inState("running");
      if (running.length >= options.maxRunning) return;
      const together = [...running, entry].map(({ job }) => job);
      if (running.length === 0 || heldBytes(together) <= options.budgetBytes()) {
        entry.state = "running";
        options.onStart?.(now - entry.since);
        entry.since = now;
      } else if (now - entry.since > PASSING_MS) return;
    }
  };
  const endGone = (): void => {
    const now = Date.now();
    for (const entry of entries) {
      if (now - entry.heard.at > GONE_MS && turn - entry.heard.turn > GONE_TURNS) end(entry);
    }
  };
  const advanceOne = async (): Promise<void> => {
    const able = inState("running").filter(({ job, failure }) => job.hasWork && !job.isDone && failure === undefined);
    const entry = able[next++ % Math.max(1, able.length)];
    if (entry === undefined) return;
    try {
      await entry.job.advance();
    } catch (error) {
      entry.failure = { error };
    }
  };
  const takeTurn = async (): Promise<void> => {
    isInTurn = true;
    try {
      turn++;
      endGone();
      admit();
      await options.shared();
      await advanceOne();
    } finally {
      isInTurn = false;
      releaseAll();
    }
  };

  const tellPlace = (entry: Entry): void => {
    if (entry.onQueue === undefined || entry.state !== "waiting") return;
    const place = inState("waiting").indexOf(entry) + 1;
    if (place === entry.place) return;
    entry.place = place;
    entry.onQueue(place);
  };

  /** What a caller does between turns. Throws to end its request. */
  const attend = (entry: Entry, signal: AbortSignal | undefined): void => {
    const now = Date.now();
    entry.heard = { at: now, turn };
    signal?.throwIfAborted();
    tellPlace(entry);
    entry.job.deliver();
    if (entry.failure !== undefined) throw entry.failure.error;
    if (entry.state === "waiting" && now - entry.since > options.maxWaitMs) throw waitedTooLong(options.maxWaitMs);
    if (entry.state === "running" && now - entry.since > options.maxRunMs) throw options.tooLong();
    if (entry.state === "ended") throw options.tooLong(); // it was thought gone
  };

  const drive = async (entry: Entry, signal: AbortSignal | undefined): Promise<void> => {
    const me = {};
    driver = me;
    const since = Date.now();
    try {
      while (!entry.job.isDone && driver === me && (entries.length === 1 || Date.now() - since < DRIVE_MS)) {
        await takeTurn();
        attend(entry, signal);
        // other requests come in, streams go out, callers look
        if (!entry.job.isDone) await sleep(0);
        signal?.throwIfAborted();
      }
    } finally {
      if (driver === me) driver = undefined;
    }
  };

  return {
    async run(job, signal, onQueue) {
      signal?.throwIfAborted();
      const waiting = inState("waiting").length;
      // whoever came before and was not yet looked at counts as waiting: the first of them runs at once
      if (waiting >= options.maxWaiting + (entries.length === waiting ? 1 : 0)) throw full(waiting);
      const now = Date.now();
      const entry: Entry = { job, state: "waiting", since: now, heard: { at: now, turn }, onQueue, place: 0 };
      entries = [...entries, entry];
      /** The last turn that this caller saw, and when it saw it first. */
      let seen = { turn, at: now };
      try {
        while (!job.isDone) {
          if (driver === undefined && !isInTurn) await drive(entry, signal);
          else {
            if (turn !== seen.turn || isInTurn) seen = { turn, at: Date.now() };
            else if (Date.now() - seen.at > STALLED_MS) driver = undefined;
          }
          if (!job.isDone) await sleep(entry.state === "waiting" ? LOOK_FROM_LINE_MS : LOOK_MS);
          attend(entry, signal);
        }
      } finally {
        end(entry);
      }
    },
    get running() {
      return inState("running").length;
    },
    get waiting() {
      return inState("waiting").length;
    },
    holds: (is) => entries.some(({ job }) => is(job)) || toRelease.some(is),
  };
}

function full(waiting: number): CapacityError {
  return new CapacityError({ code: "busy", what: `${waiting} requests are waiting`, fix: "Try again in a second." });
}

function waitedTooLong(ms: number): CapacityError {
  return new CapacityError({
    code: "busy",
    what: `the request waited ${ms / 1000} s for its turn`,
    fix: "Try again later.",
  });
}
