// A new version of a model takes the place of the one before while requests flow: on real graphs, from a store whose files change.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createEngine, type Engine, type EngineOptions } from "../../src/edge/engine/engine.ts";
import type { GenerateOptions } from "../../src/edge/engine/generate.ts";
import type { Runtime } from "../../src/edge/engine/runtime.ts";
import type { ModelStore } from "../../src/edge/model-store.ts";
import { folderStore } from "../../src/serve/folder-store.ts";
import { createNodeRuntime } from "../../src/serve/node-runtime.ts";
import { exportTinyModel } from "../runtime/tiny-model.ts";

type Tiny = Awaited<ReturnType<typeof exportTinyModel>>;

let older: Tiny;
let newer: Tiny;
beforeAll(async () => {
  older = await exportTinyModel("t5-v1.1", { lean: true });
  newer = await exportTinyModel("t5-v1.0", { lean: true });
});
afterAll(async () => {
  await older.remove();
  await newer.remove();
});

const asked: GenerateOptions = {
  prompt: "Tom has 3 apples and gets 4.",
  sampling: { doSample: false, temperature: 1, topK: 0, topP: 1 },
  seed: 0,
  stop: [],
  repetitionPenalty: 1,
  candidates: 1,
  minNewTokens: 30,
  maxNewTokens: 30,
};

/** Which folder stands in the store, and files of it that are damaged. */
let served: { dir: string; damaged?: string };
const store: ModelStore = {
  async read(path) {
    const bytes = await folderStore({ model: served.dir }).read(path);
    return served.damaged !== undefined && path.endsWith(served.damaged) ? bytes?.slice(0, 10) : bytes;
  },
};
beforeEach(() => {
  served = { dir: older.dir };
});

/** The real runtime: how many sessions are open, and how many were at most; it says that it holds `memory` bytes of a worker's. */
function watched(memory: number) {
  const runtime = createNodeRuntime(1);
  const open = { now: 0, most: 0 };
  const watching: Runtime = {
    ...runtime,
    memoryBytes: () => memory,
    memoryLimitBytes: 120_000_000,
    async createSession(...about) {
      const session = await runtime.createSession(...about);
      open.now += 1;
      open.most = Math.max(open.most, open.now);
      return {
        outputNames: session.outputNames,
        run: (...feeds) => session.run(...feeds),
        async release() {
          open.now -= 1;
          await session.release();
        },
      };
    },
  };
  return { open, runtime: watching };
}

function engineOn(runtime: Runtime, options: Partial<EngineOptions> = {}): Engine {
  const models = { policy: "model", reward: "model", dtype: "int8" } as const;
  return createEngine({ store, runtime, ...models, maxWaiting: 32, renewMs: 1, ...options });
}

/** What a request alone is answered by a model. */
async function answerOf(dir: string): Promise<string> {
  served = { dir };
  const { candidates } = await engineOn(createNodeRuntime(1)).generate(asked);
  return candidates[0]?.text ?? "";
}

const tick = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe.each([
  ["beside the ones before, where memory allows", 1_000_000, 6],
  ["in their place, where it does not", 119_000_000, 3],
])("models are opened %s", (_, memory, most) => {
  test("requests flow meanwhile, none fails, and each is answered by the one or the other", {
    timeout: 120_000,
  }, async () => {
    const [before, after] = [await answerOf(older.dir), await answerOf(newer.dir)];
    expect(after).not.toBe(before);
    served = { dir: older.dir };
    const { open, runtime } = watched(memory);
    const engine = engineOn(runtime);
    await engine.load();
    const texts: string[] = [];
    let renewals: Promise<void>[] = [];
    let isOver = false;
    const client = async (): Promise<void> => {
      while (!isOver) {
        const work = engine.renew();
        if (work !== undefined) renewals = [...renewals, work];
        const { candidates } = await engine.generate(asked);
        texts.push(candidates[0]?.text ?? "");
      }
    };
    const clients = Promise.all(Array.from({ length: 4 }, client));
    const patient = { timeout: 40_000 };
    let changed = 0;
    try {
      await expect.poll(() => texts.length, patient).toBeGreaterThan(8);
      served = { dir: newer.dir };
      await expect.poll(() => texts.at(-1), patient).toBe(after);
      changed = texts.length;
      await expect.poll(() => texts.length, patient).toBeGreaterThan(changed + 8);
    } finally {
      isOver = true;
      await clients;
    }
    await Promise.all(renewals);
    expect(new Set(texts)).toEqual(new Set([before, after]));
    // once the new one answers alone, the old one does no more
    expect(new Set(texts.slice(changed + 8))).toEqual(new Set([after]));
    expect(open).toEqual({ now: 3, most });
  });
});

test("a version that is damaged is told of, and the one before serves until it is mended", async () => {
  const { open, runtime } = watched(1_000_000);
  const told: string[] = [];
  const report = (error: unknown) => told.push(error instanceof Error ? error.message : "");
  const engine = engineOn(runtime, { report });
  const text = async () => (await engine.generate(asked)).candidates[0]?.text;
  const before = await text();
  served = { dir: newer.dir, damaged: "lean_decoder_0.bin" };
  await tick(2);
  await engine.renew();
  expect(told).toEqual([expect.stringContaining("10 bytes, the manifest says")]);
  expect(await text()).toBe(before);
  served = { dir: newer.dir };
  await tick(2);
  await engine.renew();
  expect(await text()).not.toBe(before);
  expect(open.now).toBe(3);
});

test("a manifest is looked at no more often than was set, and not at all by default", async () => {
  let reads = 0;
  const counting: ModelStore = {
    read(path) {
      if (path.endsWith("stepwise_manifest.json")) reads += 1;
      return store.read(path);
    },
  };
  const engine = engineOn(createNodeRuntime(1), { store: counting, renewMs: 60_000 });
  expect(engine.renew()).toBeUndefined();
  await engine.load();
  const opening = reads;
  for (let i = 0; i < 5; i++) await engine.renew();
  expect(reads).toBe(opening);
  const { renewMs, ...rest } = { store: counting, renewMs: undefined };
  const still = createEngine({
    ...rest,
    runtime: createNodeRuntime(1),
    policy: "model",
    reward: "model",
    dtype: "int8",
    maxWaiting: 1,
  });
  await still.load();
  expect(still.renew()).toBeUndefined();
});
