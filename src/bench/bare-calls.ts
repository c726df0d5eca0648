// How much of a token's time is the model itself: the worker's engine on its own runtime, here in Node, whose clock runs on while a graph
// does (a worker's stands still), with the calls of the graphs timed apart.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { env, InferenceSession, Tensor } from "onnxruntime-web/wasm";
import { generate } from "../edge/engine/generate.ts";
import { closeModel, loadModel } from "../edge/engine/model.ts";
import type { Runtime } from "../edge/engine/runtime.ts";
import type { ModelStore } from "../edge/model-store.ts";

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
  const model = await loadModel(folder(modelDir), "model", "int8", timedRuntime(calls));
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

/** onnxruntime-web as the worker has it, adding the time of its calls to `calls`. */
function timedRuntime(calls: { ms: number }): Runtime {
  env.wasm.numThreads = 1;
  env.logLevel = "error";
  const tensor = (value: unknown): Tensor => {
    if (value instanceof Tensor) return value;
    throw new TypeError("a value of another runtime");
  };
  return {
    async createSession(bytes, _where, weights = []) {
      const session = await InferenceSession.create(bytes, {
        executionProviders: ["wasm"],
        externalData: [...weights],
        graphOptimizationLevel: "all",
        enableCpuMemArena: false,
        enableMemPattern: false,
      });
      return {
        async run(feeds, fetches) {
          const inputs = Object.fromEntries(Object.entries(feeds).map(([name, value]) => [name, tensor(value)]));
          const started = performance.now();
          const outputs = await session.run(inputs, [...fetches]);
          calls.ms += performance.now() - started;
          return fetches.map((name) => tensor(outputs[name]));
        },
        release: () => session.release(),
      };
    },
    int64: (values, dims) => new Tensor("int64", BigInt64Array.from(values, BigInt), dims),
    float32: (values, dims) => new Tensor("float32", values, dims),
    readFloat32(value) {
      const { data } = tensor(value);
      if (data instanceof Float32Array) return data;
      throw new TypeError("not a float32 tensor");
    },
    memoryBytes: () => 0,
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
