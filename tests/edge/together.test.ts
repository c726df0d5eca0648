// Requests decode together on the worker's runtime (WebAssembly) and on the worker's own graphs: each gets what it gets alone.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { env, InferenceSession } from "onnxruntime-web/wasm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createEngine, type Engine } from "../../src/edge/engine/engine.ts";
import type { GeneratedToken, GenerateOptions, Generation } from "../../src/edge/engine/generate.ts";
import { createOrtRuntime } from "../../src/edge/ort/runtime.ts";
import { sessionOptions } from "../../src/edge/ort/session-options.ts";
import { prepareEdgeWasm } from "../../src/infer/edge-wasm.ts";
import { folderStore } from "../../src/serve/folder-store.ts";
import { splitSteps } from "../../src/shared/steps.ts";
import { exportOnnx } from "../../src/train/onnx/export/export-onnx.ts";

const MODEL = "data/models/stepwise-t5-nano";

let folder: string;
let engine: Engine;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "stepwise-together-"));
  const model = join(folder, "model");
  await exportOnnx({ modelDir: MODEL, outputDir: model, dtypes: ["int8"] });
  await prepareEdgeWasm(join(folder, "ort.wasm"));
  env.wasm.numThreads = 1;
  env.wasm.wasmBinary = new ArrayBuffer(8);
  const wasm = await WebAssembly.compile(await readFile(join(folder, "ort.wasm")));
  const runtime = createOrtRuntime(wasm, (bytes, weights) => InferenceSession.create(bytes, sessionOptions(weights)));
  const store = folderStore({ model });
  engine = createEngine({ store, runtime, policy: "model", reward: "model", dtype: "int8", maxWaiting: 64 });
  await engine.load();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const asked: GenerateOptions = {
  prompt: "Mia has 12 apples. Then she gets 7 apples from Tom. How many apples does Mia have now?",
  sampling: { doSample: false, temperature: 1, topK: 0, topP: 1 },
  seed: 1,
  stop: [],
  repetitionPenalty: 1,
  candidates: 1,
  maxNewTokens: 48,
};

const names = fc.constantFrom("Mia", "Tom", "Anna", "Zoe", "a person with a rather long name");
const request: fc.Arbitrary<GenerateOptions> = fc.record({
  prompt: fc
    .tuple(names, fc.nat(40), fc.array(fc.nat(20), { maxLength: 6 }))
    .map(
      ([name, first, more]) =>
        `${name} has ${first} pens.${more.map((n) => ` Then ${name} gets ${n} pens.`).join("")} How many pens now?`,
    ),
  sampling: fc.record({
    doSample: fc.boolean(),
    temperature: fc.constantFrom(0.5, 1, 1.5),
    topK: fc.constantFrom(0, 5, 50),
    topP: fc.constantFrom(0.8, 1),
  }),
  seed: fc.nat(2 ** 31),
  stop: fc.constantFrom([], ["\n"], ["="]),
  repetitionPenalty: fc.constantFrom(1, 1.2),
  candidates: fc.integer({ min: 1, max: 3 }),
  maxNewTokens: fc.integer({ min: 1, max: 40 }),
  prefix: fc.constantFrom(undefined, "She has 3 + 4 = 7 pens.\n"),
  tokenTexts: fc.constant(true),
});

describe("requests that decode together", () => {
  test("get, to the last bit of every log-prob, what they get alone", { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: 2, maxLength: 10 }), fc.nat(20), async (requests, delay) => {
        const alone: Generation[] = [];
        for (const one of requests) alone.push(await engine.generate(one));
        const together = await Promise.all(
          requests.map(async (one, index) => {
            // some come when others are under way
            await new Promise((resolve) => setTimeout(resolve, (index % 3) * delay));
            return engine.generate(one);
          }),
        );
        expect(together).toEqual(alone);
      }),
      { numRuns: 12, seed: 20 },
    );
  });

  test("a short one ends while a long one is under way", async () => {
    const ends: string[] = [];
    const long = engine.generate({ ...asked, minNewTokens: 200, maxNewTokens: 200 }).then(() => ends.push("long"));
    await new Promise((resolve) => setTimeout(resolve, 20));
    await engine.generate({ ...asked, maxNewTokens: 5 }).then(() => ends.push("short"));
    await long;
    expect(ends).toEqual(["short", "long"]);
  });

  test("scoring and writing do not move each other", async () => {
    const score = () =>
      engine.score({
        prompt: asked.prompt,
        completions: [{ field: "completion", steps: splitSteps("Mia has 12 + 7 = 19 apples.\nA: 19") }],
        aggregation: "mean",
        context: "prefix",
      });
    const alone = [await engine.generate(asked), await score()];
    const [generation, first, second] = await Promise.all([engine.generate(asked), score(), score()]);
    expect([generation, first]).toEqual(alone);
    expect(second).toEqual(first);
  });
});

describe("tokens", () => {
  test("told one by one are the candidate's, and their texts put together are its text", async () => {
    const events: GeneratedToken[] = [];
    const sampling = { ...asked.sampling, doSample: true };
    const options = {
      ...asked,
      sampling,
      candidates: 2,
      topTokens: 3,
      onToken: (event: GeneratedToken) => events.push(event),
    };
    const { candidates } = await engine.generate(options);
    for (const [index, candidate] of candidates.entries()) {
      const own = events.filter((event) => event.candidate === index);
      expect(own.map(({ id }) => id)).toEqual(candidate.ids);
      expect(own.map(({ logp }) => logp)).toEqual(candidate.tokenLogps);
      expect(own.map(({ text }) => text).join("")).toBe(candidate.text);
    }
    const greedy: GeneratedToken[] = [];
    await engine.generate({ ...asked, topTokens: 3, onToken: (event) => greedy.push(event) });
    for (const { id, logp, topTokens = [] } of greedy) {
      expect(topTokens).toHaveLength(3);
      expect(topTokens[0]).toMatchObject({ id, logp });
    }
  });

  test("a prefix is continued as if it had been written, and does not count", async () => {
    const whole = (await engine.generate(asked)).candidates[0];
    const prefix = whole?.text.slice(0, whole.text.indexOf("\n") + 1) ?? "";
    expect(prefix.length).toBeGreaterThan(5);
    const rest = (await engine.generate({ ...asked, prefix })).candidates[0];
    expect(rest?.text).toBe(whole?.text);
    expect(rest?.ids).toEqual(whole?.ids.slice(-(rest?.ids.length ?? 0)));
    expect(rest?.ids.length).toBeLessThan(whole?.ids.length ?? 0);
  });

  test("no end comes before the least number of tokens, and none after the longest time", async () => {
    const longer = (await engine.generate({ ...asked, minNewTokens: 60, maxNewTokens: 64 })).candidates[0];
    expect(longer?.ids.length).toBeGreaterThanOrEqual(60);
    const late = (await engine.generate({ ...asked, minNewTokens: 400, maxNewTokens: 400, maxTimeMs: 30 }))
      .candidates[0];
    expect(late?.finishReason).toBe("length");
    expect(late?.ids.length).toBeLessThan(400);
  });
});

describe("callers who leave", () => {
  test("before, in the line, or in mid-text get the signal's reason; nothing stays, and others are not moved", async () => {
    const expected = await engine.generate(asked);
    const reason = new Error("gone");
    await expect(engine.generate({ ...asked, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const leaving = Array.from({ length: 40 }, async (_, index) => {
      const controller = new AbortController();
      setTimeout(() => controller.abort(reason), index * 3);
      return engine.generate({ ...asked, minNewTokens: 400, maxNewTokens: 400, signal: controller.signal });
    });
    const [stayed, ...left] = await Promise.allSettled([engine.generate(asked), ...leaving]);
    expect(stayed).toEqual({ status: "fulfilled", value: expected });
    for (const one of left) expect(one).toEqual({ status: "rejected", reason });
    expect(engine.status()).toMatchObject({ running: 0, waiting: 0 });
  });

  test("stop the work within a token", async () => {
    const controller = new AbortController();
    let after = 0;
    const onToken = () => {
      if (controller.signal.aborted) after++;
      controller.abort(new Error("gone"));
    };
    const generating = engine.generate({
      ...asked,
      minNewTokens: 400,
      maxNewTokens: 400,
      signal: controller.signal,
      onToken,
    });
    await expect(generating).rejects.toThrow("gone");
    expect(after).toBe(0);
  });

  test("many leave no memory behind", { timeout: 60_000 }, async () => {
    const wave = () =>
      Promise.allSettled(
        Array.from({ length: 30 }, (_, index) => {
          const signal = AbortSignal.timeout(5 + index * 4);
          return engine.generate({ ...asked, minNewTokens: 100, maxNewTokens: 100, signal });
        }),
      );
    for (let i = 0; i < 3; i++) await wave();
    const { memoryBytes } = engine.status();
    for (let i = 0; i < 6; i++) await wave();
    expect(engine.status().memoryBytes).toBe(memoryBytes);
  });
});

test("work that would take minutes is refused before it begins", async () => {
  const steps = Array.from({ length: 500 }, (_, index) => ({
    text: `${index} + 1 = ${index + 1} ${"and so on ".repeat(120)}`,
  }));
  const scoring = engine.score({
    prompt: asked.prompt,
    completions: [{ field: "completion", steps }],
    aggregation: "mean",
    context: "prompt",
  });
  const before = Date.now();
  const refused = /^scoring 500 steps of \d+ tokens, .* would take some \d+ s of computing, the limit is 25 s/;
  await expect(scoring).rejects.toThrow(refused);
  expect(Date.now() - before).toBeLessThan(10_000);
});
