// The engine's Runtime in a browser, on a build of onnxruntime-web: the one for processors or the one for WebGPU, which both compute on
// processors, too.

import type { InferenceSession, Tensor, TensorConstructor } from "onnxruntime-web/wasm";
import type { Runtime, Value } from "../../edge/engine/runtime.ts";
import { javascriptRows } from "../../edge/ort/javascript-rows.ts";
import { sessionOptions } from "../../edge/ort/session-options.ts";
import { ArtifactError, CapacityError } from "../../shared/errors.ts";

/** What a runtime says that finds no memory. */
export const NO_MEMORY = /memory|bad_alloc|allocat|RangeError|Out of bounds|unreachable|Aborted/i;

/** Of a page's 4 GB of WebAssembly and as much of JavaScript, models beside it, which model-files.ts bounds. */
const LIMIT_BYTES = 1_000_000_000;

/** What is used of a build of the library. */
export interface Library {
  env: {
    wasm: { wasmPaths?: unknown; wasmBinary?: ArrayBufferLike | Uint8Array; numThreads?: number };
    logLevel?: "verbose" | "info" | "warning" | "error" | "fatal";
  };
  InferenceSession: Pick<typeof InferenceSession, "create">;
  Tensor: TensorConstructor;
}

export interface LibraryParts {
  /** Its script for WebAssembly, a file of its own because threads load it again. */
  glue: string;
  /** Its WebAssembly, gzipped. */
  wasm: string;
  threads: number;
}

/** Fetches what a build of the library needs before it can start, which it does with the first session. Throws what fetch throws. */
export async function prepareLibrary({ env }: Library, { glue, wasm, threads }: LibraryParts): Promise<void> {
  env.wasm.wasmPaths = { mjs: new URL(glue, import.meta.url).href };
  env.wasm.wasmBinary = await unpacked(wasm);
  env.wasm.numThreads = threads;
  env.logLevel = "error";
}

async function unpacked(url: string): Promise<ArrayBuffer> {
  const { body, ok, status } = await fetch(url);
  if (!ok || body === null) throw new Error(`the runtime cannot be loaded: status ${status}.`);
  return new Response(body.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

function floatsOf(value: Value): Float32Array {
  if ("data" in value && value.data instanceof Float32Array) return value.data;
  throw new TypeError("not a float32 tensor");
}

/** On a prepared library. */
export function createBrowserRuntime({ InferenceSession, Tensor }: Library, provider: "wasm" | "webgpu"): Runtime {
  const tensorOf = (value: Value | undefined): Tensor => {
    if (value instanceof Tensor) return value;
    throw new TypeError("not a tensor of onnxruntime-web");
  };
  return {
    async createSession(bytes, where, weights = []) {
      const options = { ...sessionOptions(weights), executionProviders: [provider] };
      const session = await InferenceSession.create(bytes, options).catch((cause: unknown) => {
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
