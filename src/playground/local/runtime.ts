// The engine's Runtime in a browser: onnxruntime-web as it is meant to be used there, on as many threads as the page may have. The same
// WebAssembly as in the worker.

// its own file, because threads load it again
import glue from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import { env, InferenceSession, Tensor } from "onnxruntime-web/wasm";
import type { Runtime, Value } from "../../edge/engine/runtime.ts";
import { javascriptRows } from "../../edge/ort/javascript-rows.ts";
import { sessionOptions } from "../../edge/ort/session-options.ts";
import { ArtifactError, CapacityError } from "../../shared/errors.ts";

/** What a runtime says that finds no memory. */
export const NO_MEMORY = /memory|bad_alloc|allocat|RangeError|Out of bounds|unreachable|Aborted/i;

/** Of a page's 4 GB of WebAssembly and as much of JavaScript, models beside it, which model-files.ts bounds. */
const LIMIT_BYTES = 1_000_000_000;

function tensorOf(value: Value | undefined): Tensor {
  if (value instanceof Tensor) return value;
  throw new TypeError("not a tensor of onnxruntime-web");
}

function floatsOf(value: Value): Float32Array {
  const { data } = tensorOf(value);
  if (data instanceof Float32Array) return data;
  throw new TypeError("not a float32 tensor");
}

/** `wasm` are the runtime's bytes. The runtime starts with the first session. */
export function createBrowserRuntime(wasm: ArrayBuffer, threads: number): Runtime {
  env.wasm.wasmPaths = { mjs: new URL(glue, import.meta.url).href };
  env.wasm.wasmBinary = wasm;
  env.wasm.numThreads = threads;
  env.logLevel = "error";
  return {
    async createSession(bytes, where, weights = []) {
      const session = await InferenceSession.create(bytes, sessionOptions(weights)).catch((cause: unknown) => {
        throw notOpened(where, cause);
      });
      return {
        outputNames: session.outputNames,
        async run(feeds, fetches, into = {}) {
          const inputs = Object.fromEntries(Object.entries(feeds).map(([name, value]) => [name, tensorOf(value)]));
          const outputs = await session.run(inputs, [...fetches]);
          return fetches.map((name) => {
            const [output, place] = [tensorOf(outputs[name]), into[name]];
            if (place === undefined) return output;
            floatsOf(place).set(floatsOf(output));
            return place;
          });
        },
        release: () => session.release(),
      };
    },
    int64: (values, dims) => new Tensor("int64", BigInt64Array.from(values, BigInt), dims),
    float32: (values, dims) => new Tensor("float32", values, dims),
    ...javascriptRows(floatsOf, (data, dims) => new Tensor("float32", data, dims)),
    readFloat32: floatsOf,
    // the library copies every output into a JavaScript array
    free: () => undefined,
    memoryBytes: () => 0,
    memoryLimitBytes: LIMIT_BYTES,
  };
}

function notOpened(where: string, cause: unknown): ArtifactError | CapacityError {
  const said = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
  if (NO_MEMORY.test(said)) {
    return new CapacityError({
      code: "model_too_large",
      what: "this browser has no memory for the model",
      where,
      cause,
    });
  }
  return new ArtifactError({ code: "bad_graph", what: `the ONNX graph could not be opened (${said})`, where, cause });
}
