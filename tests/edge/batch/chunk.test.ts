// A step of a shard: run twice, cut off, beside itself, with a bucket that does not answer, with a request that ends the worker.

import { expect, test } from "vitest";
import { runChunk } from "../../../src/edge/batch/chunk.ts";
import type { Chunk, Control, Ledger } from "../../../src/edge/batch/ledger-api.ts";
import { readRecords } from "../../../src/edge/batch/read-records.ts";
import { createYieldingEngine } from "../../../src/edge/batch/yielding-engine.ts";
import { parseSettings } from "../../../src/edge/env.ts";
import { createAccounts } from "../../../src/edge/http/accounts.ts";
import { createMetrics } from "../../../src/edge/http/metrics.ts";
import { ArtifactError, CapacityError } from "../../../src/shared/errors.ts";
import { fakeEngine } from "../fake-engine.ts";
import { memoryBucket } from "./memory-bucket.ts";

const OWNER = "everyone";
const BATCH = "batch_1";

/** A shard of so many records, and what its steps need. */
async function stage(
  count: number,
  options: { tries?: number; control?: Control; beforePut?: () => void; maxTotalTokens?: number } = {},
) {
  const input = Array.from({ length: count }, (_, index) =>
    JSON.stringify({ custom_id: `r${index}`, method: "POST", url: "/generate", body: { prompt: `p${index}` } }),
  ).join("\n");
  let isReady = false;
  const bucket = memoryBucket(() => {
    if (isReady) options.beforePut?.();
  });
  await bucket.put("input", input);
  isReady = true;
  const done: Chunk[] = [];
  const parameters = {
    concurrency: 1,
    priority: "normal",
    maxTotalTokens: options.maxTotalTokens ?? null,
    maxNewTokens: null,
    aggregation: null,
  };
  const batch = { id: BATCH, owner: OWNER, tokens: 0, inputKey: "input", parameters };
  let tries = (options.tries ?? 1) - 1;
  const ledger = {
    begin: async () => ({ control: options.control ?? "run", tries: ++tries, batch, reason: null }),
    takeBack: async () => void tries--,
    done: async (_batch: string, _shard: number, chunk: Chunk) => void done.push(chunk),
  };
  const engine = fakeEngine();
  const settings = parseSettings({});
  const deps = {
    engine,
    engineFor: () => engine,
    settings,
    accounts: createAccounts(settings),
    metrics: createMetrics(),
    log: () => undefined,
  };
  const bindings = {
    BATCH_FILES: bucket,
    // the functions that a step calls
    BATCH_LEDGER: { idFromName: () => ({}), get: () => ledger as unknown as Ledger },
    BATCH_JOBS: { createBatch: async () => [], get: () => Promise.reject(new Error("no workflows here")) },
    BATCH_SHARDS: { createBatch: async () => [], get: () => Promise.reject(new Error("no workflows here")) },
  };
  const shard = { owner: OWNER, batch: BATCH, shard: 0, first: 0, last: count, from: 0, to: input.length };
  return {
    bucket,
    engine,
    done,
    async step(record = 0, byte = 0) {
      return runChunk({ deps, bindings, stepMs: 10_000 }, shard, { record, byte });
    },
    /** Ids, and errors' codes, of the object of a first record. */
    async lines(first = 0) {
      const object = await bucket.get(`chunks/${BATCH}/${String(first).padStart(12, "0")}`);
      const text = (await object?.text()) ?? "";
      return text
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line))
        .map((line) => [line.custom_id, line.error?.code ?? line.response.status_code]);
    },
  };
}

const ids = (count: number) => Array.from({ length: count }, (_, index) => [`r${index}`, 200]);

test("a step that runs again does nothing again", async () => {
  const { step, engine, lines, done } = await stage(5);
  const first = await step();
  const asked = engine.generated.length;
  expect(await step()).toEqual(first);
  expect(engine.generated).toHaveLength(asked);
  expect(await lines()).toEqual(ids(5));
  expect(done[0]).toEqual(done[1]);
});

test("two runs of a step at once leave one object, and go on at the same record", async () => {
  const { step, lines, bucket } = await stage(20);
  const [one, other] = await Promise.all([step(), step()]);
  expect(one).toEqual(other);
  expect(one.record).toBe(20);
  expect(await lines()).toEqual(ids(20));
  expect(bucket.keys()).toHaveLength(2);
});

test("a step that fails twice, as a full bucket makes it, has every record once at the third", async () => {
  let failures = 0;
  const { step, lines, done } = await stage(6, {
    beforePut() {
      failures += 1;
      if (failures <= 2) throw new Error("no space left");
    },
  });
  await expect(step()).rejects.toThrow("no space left");
  await expect(step()).rejects.toThrow("no space left");
  expect((await step()).record).toBe(6);
  expect(await lines()).toEqual(ids(6));
  expect(done).toHaveLength(1);
});

test("a request that ends the worker again and again is worked on alone, then given up", async () => {
  const alone = await stage(5, { tries: 5 });
  expect((await alone.step()).record).toBe(1);
  expect(await alone.lines()).toEqual(ids(1));
  const hopeless = await stage(5, { tries: 9 });
  const next = await hopeless.step();
  expect(next.record).toBe(1);
  expect(hopeless.engine.generated).toEqual([]);
  expect(await hopeless.lines()).toEqual([["r0", "request_never_ended"]]);
  expect(hopeless.done[0]).toMatchObject({ completed: 0, failed: 1 });
});

test("a request that is wrong has its own answer; the others go on", async () => {
  const { step, engine, lines, done } = await stage(4);
  const { generate } = engine;
  engine.generate = async (options) => {
    if (options.prompt === "p1") throw new TypeError("a fault of this one");
    return generate(options);
  };
  await step();
  expect(await lines()).toEqual([
    ["r0", 200],
    ["r2", 200],
    ["r3", 200],
    ["r1", 500],
  ]);
  expect(done[0]).toMatchObject({ first: 0, last: 4, completed: 3, failed: 1 });
});

test("steps that fail are not taken for ends of the worker, however often", async () => {
  const { step, engine, lines } = await stage(3);
  const { load } = engine;
  engine.load = () => Promise.reject(new ArtifactError({ code: "no_model", what: "the model is not there" }));
  for (let tries = 0; tries < 12; tries++) await expect(step()).rejects.toThrow("the model is not there");
  engine.load = load;
  expect((await step()).record).toBe(3);
  expect(await lines()).toEqual(ids(3));
});

test.each([
  ["what it needs is damaged", () => new ArtifactError({ code: "bad_logits", what: "no token may follow" })],
  ["it takes more time than there is", () => new CapacityError({ code: "deadline", what: "it was stopped" })],
])("a request that can never be answered does not hold up the others: %s", async (_, failure) => {
  const { step, engine, lines } = await stage(3);
  const { generate } = engine;
  engine.generate = async (options) => {
    if (options.prompt === "p0") throw failure();
    return generate(options);
  };
  expect((await step()).record).toBe(3);
  expect(await lines()).toEqual([
    ["r1", 200],
    ["r2", 200],
    ["r0", 503],
  ]);
});

test("no request is begun beyond the batch's tokens, those in work counted by a guess", async () => {
  const { step, engine, done } = await stage(60, { maxTotalTokens: 1 });
  expect((await step()).record).toBe(1);
  expect(engine.generated).toHaveLength(1);
  expect(done[0]?.tokens).toBeGreaterThan(0);
});

test("blank lines before a line of the largest size are left behind", async () => {
  const bucket = memoryBucket();
  const small = JSON.stringify({ custom_id: "a", method: "POST", url: "/generate", body: { prompt: "p" } });
  const frame = { custom_id: "b", method: "POST", url: "/generate", body: { prompt: "" } };
  const maxLineBytes = 200_000;
  const prompt = "x".repeat(maxLineBytes - JSON.stringify(frame).length);
  const large = JSON.stringify({ ...frame, body: { prompt } });
  const input = `${small}\n\n\n\n   \n${large}\n`;
  await bucket.put("input", input);
  const range = { from: small.length + 1, to: input.length, maxLineBytes, limit: 10 };
  const records = await readRecords(bucket, "input", range);
  expect(records.map(({ line: { customId }, to }) => [customId, to])).toEqual([["b", input.length]]);
});

test("a busy engine is asked again", async () => {
  const { step, engine, lines } = await stage(3);
  const { generate } = engine;
  let refusals = 0;
  engine.generate = async (options) => {
    if (refusals++ < 2) throw new CapacityError({ code: "busy", what: "16 requests are waiting" });
    return generate(options);
  };
  await step();
  expect(await lines()).toEqual(ids(3));
});

test.each(["pause", "cancel"] as const)("a batch told to %s stays where it is", async (control) => {
  const { step, bucket, engine } = await stage(3, { control });
  expect(await step(1, 5)).toEqual({ record: 1, byte: 5, control });
  expect(engine.generated).toEqual([]);
  expect(bucket.keys()).toEqual(["input"]);
});

test("beside interactive requests a batch has one request in the engine, else sixteen", async () => {
  let interactive = 3;
  let inside = 0;
  let most = 0;
  const now = { ms: 0 };
  const fake = fakeEngine();
  const engineFor = createYieldingEngine(
    {
      ...fake,
      queueLength: 0,
      memoryBytes: 0,
      status: () => ({ running: interactive + inside, waiting: 0, tokensPerSecond: 0, memoryBytes: 0 }),
      async score(options) {
        inside += 1;
        most = Math.max(most, inside);
        await new Promise((resolve) => setTimeout(resolve, 5));
        inside -= 1;
        return fake.score(options);
      },
    },
    { beside: 1, now: () => now.ms },
  );
  const turn = { owner: OWNER, priority: "normal" as const, isOver: () => false };
  const score = () => engineFor(turn).score({ prompt: "p", completions: [], aggregation: "mean", context: "prefix" });
  await Promise.all(Array.from({ length: 4 }, score));
  expect(most).toBe(1);
  interactive = 0;
  // those who ask again and again are still there in between
  await Promise.all(Array.from({ length: 4 }, score));
  expect(most).toBe(1);
  now.ms = 2_000;
  await Promise.all(Array.from({ length: 40 }, score));
  expect(most).toBe(16);
});

/** An engine that works on one call at a time, each until it is let go; the names of those inside, in order. */
function slowEngine() {
  const order: string[] = [];
  const leave: (() => void)[] = [];
  const fake = fakeEngine();
  const engine = {
    ...fake,
    queueLength: 0,
    memoryBytes: 0,
    // somebody else is always there: one place for batches
    status: () => ({ running: 20, waiting: 0, tokensPerSecond: 0, memoryBytes: 0 }),
    async score(options: Parameters<typeof fake.score>[0]) {
      order.push(options.prompt);
      await new Promise<void>((resolve) => leave.push(resolve));
      return fake.score(options);
    },
  };
  return { engine, order, leaveAll: () => leave.splice(0).map((go) => go()) };
}

const ask = (prompt: string) => ({ prompt, completions: [], aggregation: "mean" as const, context: "prefix" as const });

test("batches take turns: the higher priority first, then the owner with less, then whoever came first", async () => {
  const { engine, order, leaveAll } = slowEngine();
  const engineFor = createYieldingEngine(engine, { beside: 1 });
  const turns = [
    ["a1", "a", "normal"],
    ["a2", "a", "normal"],
    ["b1", "b", "normal"],
    ["c1", "c", "low"],
    ["a3", "a", "high"],
  ] as const;
  const all = turns.map(([name, owner, priority]) =>
    engineFor({ owner, priority, isOver: () => false }).score(ask(name)),
  );
  for (let count = 1; count <= turns.length; count++) {
    await expect.poll(() => order.length).toBe(count);
    leaveAll();
  }
  await Promise.all(all);
  // the first came where nobody waited
  expect(order).toEqual(["a1", "a3", "a2", "b1", "c1"]);
});

test("between keys, whoever has less inside goes first", async () => {
  const { engine, order, leaveAll } = slowEngine();
  const engineFor = createYieldingEngine(engine, { beside: 2 });
  const score = (name: string, owner: string) =>
    engineFor({ owner, priority: "normal", isOver: () => false }).score(ask(name));
  const all = [score("a1", "a"), score("a2", "a"), score("a3", "a"), score("b1", "b"), score("b2", "b")];
  await expect.poll(() => order).toEqual(["a1", "a2"]);
  leaveAll();
  // one place each, though a3 came before b1
  await expect.poll(() => order).toHaveLength(4);
  expect(order.slice(2).sort()).toEqual(["a3", "b1"]);
  leaveAll();
  await expect.poll(() => order).toHaveLength(5);
  leaveAll();
  await Promise.all(all);
});

test("who waits for long rises above a higher priority", async () => {
  const now = { ms: 0 };
  const { engine, order, leaveAll } = slowEngine();
  const engineFor = createYieldingEngine(engine, { beside: 1, now: () => now.ms });
  const score = (name: string, priority: "low" | "high") =>
    engineFor({ owner: name, priority, isOver: () => false }).score(ask(name));
  const all = [score("inside", "high"), score("low", "low")];
  await expect.poll(() => order).toEqual(["inside"]);
  // heard of all the time
  for (now.ms = 0; now.ms < 15_000; now.ms += 2_500) await new Promise((resolve) => setTimeout(resolve, 30));
  all.push(score("high", "high"));
  leaveAll();
  await expect.poll(() => order.length).toBe(2);
  leaveAll();
  await expect.poll(() => order.length).toBe(3);
  leaveAll();
  await Promise.all(all);
  expect(order).toEqual(["inside", "low", "high"]);
});

test("a request whose step is over leaves the line; one that has begun goes on", async () => {
  const { engine, order, leaveAll } = slowEngine();
  const engineFor = createYieldingEngine(engine, { beside: 1 });
  let isOver = false;
  const turn = { owner: OWNER, priority: "normal" as const, isOver: () => isOver };
  const inside = engineFor(turn).score(ask("inside"));
  await expect.poll(() => order).toEqual(["inside"]);
  const late = engineFor(turn).score(ask("late"));
  isOver = true;
  await expect(late).rejects.toThrow("the step is over");
  leaveAll();
  await inside;
  expect(order).toEqual(["inside"]);
});
