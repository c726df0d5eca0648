// The worker's runtime, here in Node: onnxruntime's WebAssembly as the worker has it, whose tensors stay in its own memory.

import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { env, InferenceSession } from "onnxruntime-web/wasm";
import { afterAll, beforeAll, expect, test } from "vitest";
import { generate } from "../../src/edge/engine/generate.ts";
import { judgeJob } from "../../src/edge/engine/judge.ts";
import { closeModel, loadModel, type Model } from "../../src/edge/engine/model.ts";
import type { Runtime } from "../../src/edge/engine/runtime.ts";
import { createOrtRuntime } from "../../src/edge/ort/runtime.ts";
import { sessionOptions } from "../../src/edge/ort/session-options.ts";
import { prepareEdgeWasm } from "../../src/infer/edge-wasm.ts";
import { folderStore } from "../../src/serve/folder-store.ts";
import { createNodeRuntime } from "../../src/serve/node-runtime.ts";
import { DTYPES } from "../../src/shared/onnx-names.ts";
import { exportOnnx } from "../../src/train/onnx/export/export-onnx.ts";
import { exportTinyModel } from "../runtime/tiny-model.ts";
import { runAlone } from "./run-alone.ts";

const nodeRuntime = createNodeRuntime(1);

const PROMPT = "Tom has 3 apples and gets 4 more. How many apples has he?";
const request = {
  prompt: PROMPT,
  maxNewTokens: 12,
  sampling: { doSample: false, temperature: 1, topK: 50, topP: 1 },
  seed: 1,
  stop: [],
  repetitionPenalty: 1,
};

let tiny: Awaited<ReturnType<typeof exportTinyModel>>;
let folder: string;
let runtime: Runtime;
let lean: Model;
let plain: Model;
/** What was read when each graph was opened, and when one was run. */
const readBefore: string[][] = [];
const readBeforeRun: string[][] = [];

beforeAll(async () => {
  tiny = await exportTinyModel();
  await exportOnnx({ modelDir: tiny.dir, name: "tiny", lean: true, exactParameters: 0, dtypes: DTYPES });
  folder = await mkdtemp(join(tmpdir(), "stepwise-ort-"));
  await prepareEdgeWasm(join(folder, "ort.wasm"));
  env.wasm.numThreads = 1;
  env.wasm.wasmBinary = new ArrayBuffer(8);
  const wasm = await WebAssembly.compile(await readFile(join(folder, "ort.wasm")));
  runtime = createOrtRuntime(wasm, (bytes, weights) => InferenceSession.create(bytes, sessionOptions(weights)));
  const store = folderStore({ model: tiny.dir });
  const asked: string[] = [];
  const noting = {
    read: (path: string) => {
      asked.push(path);
      return store.read(path);
    },
  };
  const weightsAsked = () => asked.filter((path) => path.endsWith(".bin"));
  const opening: Runtime = {
    ...runtime,
    async createSession(...args) {
      readBefore.push(weightsAsked());
      const session = await runtime.createSession(...args);
      return {
        ...session,
        run(feeds, fetches) {
          readBeforeRun.push(weightsAsked());
          return session.run(feeds, fetches);
        },
      };
    },
  };
  lean = await loadModel(noting, "model", "int8", opening);
  plain = await loadModel(store, "model", "fp32", runtime);
});
afterAll(async () => {
  await closeModel(lean);
  await closeModel(plain);
  await tiny.remove();
  await rm(folder, { recursive: true, force: true });
});

test("it generates what onnxruntime-node generates on the same files", async () => {
  const model = await loadModel(folderStore({ model: tiny.dir }), "model", "fp32", nodeRuntime);
  const [expected] = (await generate(model, { ...request, candidates: 1 })).candidates;
  const [ours] = (await generate(plain, { ...request, candidates: 1 })).candidates;
  expect(ours?.ids).toEqual(expected?.ids);
  ours?.tokenLogps.forEach((logp, i) => {
    expect(logp).toBeCloseTo(expected?.tokenLogps[i] ?? Number.NaN, 3);
  });
  await closeModel(model);
});

test("it scores 4-bit weights as onnxruntime-node does, which rounds activations to 8 bits beside", async () => {
  const steps = ["3 + 4 = 7", "Tom has 7 apples."].map((text) => ({ text }));
  const scoring = { prompt: PROMPT, completions: [{ field: "chosen", steps }] };
  const scores = async (on: Runtime): Promise<number[]> => {
    const model = await loadModel(folderStore({ model: tiny.dir }), "model", "q4", on);
    const { completions } = await runAlone(judgeJob(model, { ...scoring, aggregation: "mean", context: "prefix" }));
    await generate(model, { ...request, candidates: 2 }); // steps through the cache run, too
    await closeModel(model);
    return completions.flatMap((completion) => completion.steps.map((step) => step.score));
  };
  const [ours, theirs] = [await scores(runtime), await scores(nodeRuntime)];
  expect(ours).toHaveLength(2);
  ours.forEach((value, i) => {
    expect(Math.abs(value - (theirs[i] ?? Number.NaN))).toBeLessThan(0.01);
  });
});

test("what a request held is given back: many take no more memory than one", async () => {
  const steps = [{ text: "3 + 4 = 7" }, { text: "Tom has 7 apples." }];
  const scoring = { prompt: PROMPT, completions: [{ field: "chosen", steps }] };
  const once = async (): Promise<void> => {
    for (const model of [lean, plain]) {
      await generate(model, { ...request, candidates: 1 });
      await generate(model, { ...request, candidates: 4 });
      await runAlone(judgeJob(model, { ...scoring, aggregation: "mean", context: "prefix" }));
    }
  };
  for (let warm = 0; warm < 2; warm++) await once();
  const before = runtime.memoryBytes();
  expect(before).toBeGreaterThan(0);
  for (let round = 0; round < 8; round++) await once();
  expect(runtime.memoryBytes()).toBe(before);
});

test("a wrong input is an error in the runtime's words, and the next run is right", async () => {
  const mask = runtime.int64([1, 1, 1], [1, 3]);
  const floats = runtime.float32(Float32Array.of(1, 1, 1), [1, 3]);
  const wrong = plain.encoder.run({ input_ids: mask, attention_mask: floats }, ["last_hidden_state"]);
  await expect(wrong).rejects.toThrow(/float.*int64/);
  await expect(plain.encoder.run({ input_ids: mask, other: mask }, ["last_hidden_state"])).rejects.toThrow(
    'the graph has no "other"',
  );
  const [states] = await plain.encoder.run({ input_ids: mask, attention_mask: mask }, ["last_hidden_state"]);
  expect(states?.dims).toEqual([1, 3, 32]);
  if (states !== undefined) runtime.free([states]);
});

const [HEAD = "", DECODER = "", ENCODER = ""] = ["head", "decoder", "encoder"].map(
  (name) => `model/onnx/lean_${name}_0.bin`,
);

test("when a graph is opened, no weights of the next have been read", () => {
  expect(readBefore).toEqual([[HEAD], [HEAD, DECODER], [HEAD, DECODER, ENCODER]]);
});

test("the head has run before the large graphs are read, so that V8 optimizes the products while they are opened", () => {
  expect(readBeforeRun[0]).toEqual([HEAD]);
});

test("a first graph that cannot be opened leaves a runtime that opens the next one", async () => {
  const start = new URL("first-graph.ts", import.meta.url).pathname;
  // the library starts once a process
  const { stdout } = await promisify(execFile)(process.execPath, [
    "--import",
    "tsx",
    start,
    join(folder, "ort.wasm"),
    join(tiny.dir, "onnx/encoder_model.onnx"),
  ]);
  expect(stdout.trim().split("\n")).toEqual(["refused: bad_graph", "refused: bad_graph", "opened and ran: 1,3,32"]);
});
