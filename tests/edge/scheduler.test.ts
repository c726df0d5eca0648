// Turns, places in the line and memory, with jobs that only count.

import { expect, test } from "vitest";
import { createScheduler, type Job, type Scheduler, type SchedulerOptions } from "../../src/edge/engine/scheduler.ts";
import { CapacityError } from "../../src/shared/errors.ts";

const tick = (ms = 5) => new Promise((resolve) => setTimeout(resolve, ms));

function schedulerOf(options: Partial<SchedulerOptions> = {}): Scheduler {
  return createScheduler({
    maxRunning: 4,
    maxWaiting: 2,
    maxWaitMs: 10_000,
    maxRunMs: 10_000,
    budgetBytes: () => 100,
    shared: async () => undefined,
    tooLong: () => new Error("too long"),
    ...options,
  });
}

interface CountingJob extends Job {
  done: number;
  released: number;
}

function jobOf(
  turns: number,
  options: { bytes?: number; log?: (event: string) => void; name?: string } = {},
): CountingJob {
  const { bytes = 10, log, name = "job" } = options;
  const job: CountingJob = {
    bytes,
    done: 0,
    released: 0,
    hasWork: true,
    get isDone() {
      return job.done >= turns;
    },
    async advance() {
      job.done++;
      log?.(name);
    },
    deliver: () => undefined,
    release() {
      job.released++;
    },
  };
  return job;
}

test("jobs go on by turns, so that a short one does not wait for a long one", async () => {
  const scheduler = schedulerOf();
  const ends: string[] = [];
  const long = scheduler.run(jobOf(50)).then(() => ends.push("long"));
  const short = scheduler.run(jobOf(2)).then(() => ends.push("short"));
  await Promise.all([long, short]);
  expect(ends).toEqual(["short", "long"]);
  expect([scheduler.running, scheduler.waiting]).toEqual([0, 0]);
});

test("what does not fit waits, in order, until there is room; alone, anything runs", async () => {
  const scheduler = schedulerOf();
  const events: string[] = [];
  const log = (event: string) => events.push(event);
  await Promise.all([
    scheduler.run(jobOf(3, { bytes: 90, log, name: "a" })),
    scheduler.run(jobOf(1, { bytes: 500, log, name: "huge" })),
  ]);
  expect(events).toEqual(["a", "a", "a", "huge"]);
});

test("a small request passes a large one that waits for memory", async () => {
  const scheduler = schedulerOf();
  const events: string[] = [];
  const log = (event: string) => events.push(event);
  await Promise.all([
    scheduler.run(jobOf(5, { bytes: 90, log, name: "a" })),
    scheduler.run(jobOf(1, { bytes: 50, log, name: "large" })),
    scheduler.run(jobOf(1, { bytes: 10, log, name: "small" })),
  ]);
  expect(events.indexOf("small")).toBeLessThan(events.indexOf("large"));
});

test("a full line refuses, and takes the next one later", async () => {
  const scheduler = schedulerOf({ maxRunning: 1, maxWaiting: 1 });
  const running = [scheduler.run(jobOf(5)), scheduler.run(jobOf(5))];
  await expect(scheduler.run(jobOf(1))).rejects.toThrow(CapacityError);
  await Promise.all(running);
  await scheduler.run(jobOf(1));
});

test("a long request keeps its place as long as it goes on: waiting ones do not start because time passes", async () => {
  const scheduler = schedulerOf({ maxRunning: 1, maxWaiting: 14, maxWaitMs: 60 });
  let together = 0;
  let most = 0;
  const slow = jobOf(40);
  slow.advance = async () => {
    together++;
    await tick(5);
    most = Math.max(most, together);
    together--;
    slow.done++;
  };
  const waiting = Array.from({ length: 14 }, () => jobOf(1));
  const [first, ...others] = await Promise.allSettled([
    scheduler.run(slow),
    ...waiting.map((job) => scheduler.run(job)),
  ]);
  expect(first.status).toBe("fulfilled");
  for (const other of others) expect(other).toMatchObject({ status: "rejected", reason: { code: "busy" } });
  expect(most).toBe(1);
  expect(waiting.map(({ done }) => done)).toEqual(new Array(14).fill(0));
});

test("callers who leave the line give their places to others at once, and are never worked for", async () => {
  const scheduler = schedulerOf({ maxRunning: 1, maxWaiting: 3 });
  const long = scheduler.run(jobOf(30));
  const controller = new AbortController();
  const gone = [jobOf(1), jobOf(1), jobOf(1)];
  const leaving = Promise.allSettled(gone.map((job) => scheduler.run(job, controller.signal)));
  await tick();
  expect(scheduler.waiting).toBe(3);
  controller.abort(new Error("gone"));
  for (const one of await leaving) expect(one).toMatchObject({ status: "rejected", reason: { message: "gone" } });
  expect(scheduler.waiting).toBe(0);
  await scheduler.run(jobOf(1));
  await long;
  expect(gone.map(({ done, released }) => [done, released])).toEqual([
    [0, 1],
    [0, 1],
    [0, 1],
  ]);
});

test("a job that is done is not worked on, however late its caller takes the result", async () => {
  const scheduler = schedulerOf({ maxWaiting: 4 });
  const done = jobOf(1);
  done.advance = async () => {
    if (done.isDone) throw new Error("worked on after its end");
    done.done++;
  };
  const others = Array.from({ length: 3 }, () => jobOf(20));
  await Promise.all([...others.map((job) => scheduler.run(job)), scheduler.run(done)]);
  expect(done.done).toBe(1);
});

test("a job that fails ends its own request alone", async () => {
  const scheduler = schedulerOf();
  const bad = jobOf(5);
  bad.advance = () => Promise.reject(new Error("no"));
  const good = jobOf(5);
  const [first, second] = await Promise.allSettled([scheduler.run(bad), scheduler.run(good)]);
  expect(first).toMatchObject({ status: "rejected", reason: { message: "no" } });
  expect(second.status).toBe("fulfilled");
  expect([bad.released, good.released]).toEqual([1, 1]);
});

test("what a request holds is given back only when no graph runs that may read it", async () => {
  const scheduler = schedulerOf();
  const controller = new AbortController();
  const events: string[] = [];
  const leaving = jobOf(5, { log: (event) => events.push(event) });
  leaving.advance = async () => {
    controller.abort(new Error("gone"));
    await tick(40); // its caller looks meanwhile
    events.push("ran");
  };
  leaving.release = () => events.push("released");
  const driver = scheduler.run(jobOf(3));
  await expect(scheduler.run(leaving, controller.signal)).rejects.toThrow("gone");
  await driver;
  expect(events).toEqual(["ran", "released"]);
});

test("one that runs beyond its time is stopped", async () => {
  const scheduler = schedulerOf({ maxRunMs: 30 });
  const endless = jobOf(Number.POSITIVE_INFINITY);
  await expect(scheduler.run(endless)).rejects.toThrow("too long");
  expect(endless.released).toBe(1);
});

test("when the driver's request is cut off between turns, another goes on driving", { timeout: 10_000 }, async () => {
  const scheduler = schedulerOf();
  // its loop never goes on after the first turn, as when the platform drops a request's timers
  const { setTimeout: real } = globalThis;
  let dropped = false;
  globalThis.setTimeout = ((...args: Parameters<typeof real>) => {
    if (dropped || args[1] !== 0) return real(...args);
    dropped = true;
    return 0;
  }) as typeof real;
  try {
    void scheduler.run(jobOf(1000));
    const other = jobOf(3);
    await scheduler.run(other);
    expect([dropped, other.done]).toEqual([true, 3]);
  } finally {
    globalThis.setTimeout = real;
  }
});

test("who waits is told the place in the line whenever it changes, who runs is not", async () => {
  const scheduler = schedulerOf({ maxRunning: 1, maxWaiting: 4 });
  const places: Record<"first" | "second" | "third", number[]> = { first: [], second: [], third: [] };
  /** Runs until somebody else was told a place. */
  const runUntil = (name: keyof typeof places, isTold: () => boolean) => {
    const job = jobOf(1);
    const advance = async () => {
      if (isTold()) job.done++;
    };
    return scheduler.run(
      {
        ...job,
        advance,
        get isDone() {
          return job.done > 0;
        },
      },
      undefined,
      (place) => places[name].push(place),
    );
  };
  await Promise.all([
    runUntil("first", () => places.second.length === 1 && places.third.length === 1),
    runUntil("second", () => places.third.length === 2),
    runUntil("third", () => true),
  ]);
  expect(places).toEqual({ first: [], second: [1], third: [2, 1] });
});
