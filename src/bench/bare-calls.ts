// How much of a token's time is the model itself: the worker's engine on its own runtime, here in Node, whose clock runs on while a graph
// does (a worker's stands still), with the calls of the graphs timed apart.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { env, InferenceSession } from "onnxruntime-web/wasm";
import { generate } from "../edge/engine/generate.ts";
import { closeModel, loadModel } from "../edge/engine/model.ts";
import type { Runtime } from "../edge/engine/runtime.ts";
import type { ModelStore } from "../edge/model-store.ts";
import { createOrtRuntime } from "../edge/ort/runtime.ts";
import { sessionOptions } from "../edge/ort/session-options.ts";
import { prepareEdgeWasm } from "../infer/edge-wasm.ts";
import { EDGE_WASM } from "../infer/local-worker.ts";

/** Milliseconds a step of the decoder: all of it, and the calls of the graphs alone. */
export interface TokenTimes {
  candidates: number;
  engine: number;
  bare: number;
}

const ROUNDS = 3;

/** Times answers of `tokens` tokens to `prompt`, for each number of candidates; the best of three. Throws ArtifactError as `loadModel`. */
export async function timeTokens(
  modelDir: string,
  options: { prompt: string; tokens: number; candidates: readonly number[] },
): Promise<TokenTimes[]> {
  const calls = { ms: 0, steps: 0 };
  const model = await loadModel(folder(modelDir), "model", "int8", await timedRuntime(calls));
  try {
    const all: TokenTimes[] = [];
    for (const candidates of options.candidates) {
      const best: TokenTimes = { candidates, engine: Infinity, bare: Infinity };
      for (let round = 0; round < ROUNDS; round++) {
        const sampling = { doSample: candidates > 1, temperature: 1, topK: 50, topP: 1 };
        const run = async (maxNewTokens: number): Promise<{ engine: number; bare: number; steps: number }> => {
          Object.assign(calls, { ms: 0 });
          const started = performance.now();
          const request = { prompt: options.prompt, maxNewTokens, sampling, seed: 1, stop: [], repetitionPenalty: 1 };
          const { candidates: rows } = await generate(model, { ...request, candidates });
          const steps = Math.max(...rows.map(({ ids }) => ids.length));
          return { engine: performance.now() - started, bare: calls.ms, steps };
        };
        const [short, long] = [await run(1), await run(options.tokens)];
        const steps = Math.max(1, long.steps - short.steps);
        // differences of the same two answers, so that what disturbs one disturbs both
        const times = { engine: (long.engine - short.engine) / steps, bare: (long.bare - short.bare) / steps };
        if (times.engine > 0 && times.engine < best.engine) Object.assign(best, times);
      }
      all.push(best);
    }
    return all;
  } finally {
    await closeModel(model);
  }
}

/** The worker's runtime, adding the time of its runs to `calls`. */
async function timedRuntime(calls: { ms: number }): Promise<Runtime> {
  await prepareEdgeWasm(EDGE_WASM);
  env.wasm.numThreads = 1;
  env.wasm.wasmBinary = new ArrayBuffer(8);
  env.logLevel = "error";
  const wasm = await WebAssembly.compile(await readFile(EDGE_WASM));
  const runtime = createOrtRuntime(wasm, (bytes, weights) => InferenceSession.create(bytes, sessionOptions(weights)));
  return {
    ...runtime,
    async createSession(...args) {
      const session = await runtime.createSession(...args);
      return {
        ...session,
        async run(feeds, fetches) {
          const started = performance.now();
          const outputs = await session.run(feeds, fetches);
          calls.ms += performance.now() - started;
          return outputs;
        },
      };
    },
  };
}

/** The files of one exported model, whatever folder is asked for. */
function folder(modelDir: string): ModelStore {
  return {
    read: (path) =>
      readFile(join(modelDir, path.slice(path.indexOf("/") + 1))).then(
        (bytes) => new Uint8Array(bytes),
        () => undefined,
      ),
  };
}
