// The only file that imports onnxruntime-web, and what it takes to run it in workerd: no WebAssembly compiled from bytes at run
// time, no threads, no dynamic import. The wasm comes as a compiled module (the shipped one with its memory made unshared, see
// src/infer/edge-wasm.ts); WebAssembly.instantiate, WebAssembly.Memory and Atomics.waitAsync are swapped while the runtime's
// glue code starts, then put back.

import { env, InferenceSession, Tensor } from "onnxruntime-web/wasm";
// biome-ignore lint/style/noRestrictedImports: the runtime's own wasm, prepared for workers
import wasmModule from "../../outputs/edge_build/ort-wasm-simd.wasm";
import { ArtifactError } from "../shared/errors.ts";
import type { Runtime, Session, Value, WeightFile } from "./engine/runtime.ts";

let memory: WebAssembly.Memory | undefined;

const PAGE_BYTES = 65_536;

/** The argument of the last one-argument function that the runtime called: when its memory grows, the size that it needs. */
let lastArgument = 0;

/** The same imports, with the argument of every call of one argument noted; such calls are rare. */
function notingArguments(imports: WebAssembly.Imports): WebAssembly.Imports {
  const noting = (value: WebAssembly.ImportValue): WebAssembly.ImportValue => {
    if (typeof value !== "function" || value.length !== 1) return value;
    return (argument: unknown) => {
      lastArgument = typeof argument === "number" ? argument : 0;
      return Reflect.apply(value, undefined, [argument]);
    };
  };
  const module = (values: WebAssembly.ModuleImports) =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [name, noting(value)]));
  return Object.fromEntries(Object.entries(imports).map(([name, values]) => [name, module(values)]));
}

/** Memory that grows by what is needed: the glue code would ask for up to 20 % of what there is on top. */
function growingTightly(grown: WebAssembly.Memory): WebAssembly.Memory {
  const grow = grown.grow.bind(grown);
  return Object.defineProperty(grown, "grow", {
    value: (pages: number): number => {
      const needed = Math.ceil(((lastArgument >>> 0) - grown.buffer.byteLength) / PAGE_BYTES);
      return grow(needed > 0 && needed < pages ? needed : pages);
    },
  });
}

async function withStartupGlobals<T>(start: () => Promise<T>): Promise<T> {
  const { instantiate, Memory } = WebAssembly;
  const waitAsync = Object.getOwnPropertyDescriptor(Atomics, "waitAsync");
  Object.assign(WebAssembly, {
    instantiate: async (_bytes: unknown, imports: WebAssembly.Imports) => ({
      module: wasmModule,
      instance: new WebAssembly.Instance(wasmModule, notingArguments(imports)),
    }),
    // Called with `new`; drops `shared`, which the module no longer asks for.
    Memory: function plainMemory({ initial, maximum = 65536 }: WebAssembly.MemoryDescriptor) {
      memory = growingTightly(new Memory({ initial, maximum }));
      return memory;
    },
  });
  Object.defineProperty(Atomics, "waitAsync", { value: undefined, configurable: true, writable: true });
  try {
    return await start();
  } finally {
    Object.assign(WebAssembly, { instantiate, Memory });
    if (waitAsync === undefined) Reflect.deleteProperty(Atomics, "waitAsync");
    else Object.defineProperty(Atomics, "waitAsync", waitAsync);
  }
}

let startedRuntime = false;

async function openSession(bytes: Uint8Array, weights: readonly WeightFile[]): Promise<InferenceSession> {
  const create = () =>
    InferenceSession.create(bytes, {
      executionProviders: ["wasm"],
      externalData: [...weights],
      graphOptimizationLevel: "all",
      // Both hold memory back, of which an isolate has 128 MB for everything; neither made a step measurably faster.
      enableCpuMemArena: false,
      enableMemPattern: false,
    });
  if (startedRuntime) return create();
  env.wasm.numThreads = 1;
  // Never read: its presence makes the library use its embedded glue code.
  env.wasm.wasmBinary = new ArrayBuffer(8);
  env.logLevel = "error";
  const session = await withStartupGlobals(create);
  startedRuntime = true;
  return session;
}

function ortTensor(value: Value): Tensor {
  if (value instanceof Tensor) return value;
  throw new TypeError("a value of another runtime");
}

/** onnxruntime-web's WebAssembly backend, single-threaded. */
export const ortRuntime: Runtime = {
  async createSession(bytes, where, weights = []): Promise<Session> {
    let session: InferenceSession;
    try {
      session = await openSession(bytes, weights);
    } catch (cause) {
      throw new ArtifactError({
        code: "bad_graph",
        what: "the ONNX graph could not be opened",
        where,
        fix: "Export the model again: npm run export -- --model DIR.",
        cause,
      });
    }
    return {
      async run(feeds, fetches) {
        const inputs = Object.fromEntries(Object.entries(feeds).map(([name, value]) => [name, ortTensor(value)]));
        const outputs = await session.run(inputs, [...fetches]);
        return fetches.map((name) => ortTensor(outputs[name] ?? { dims: [] }));
      },
      release: () => session.release(),
    };
  },
  int64: (values, dims) => new Tensor("int64", BigInt64Array.from(values, BigInt), dims),
  float32: (values, dims) => new Tensor("float32", values, dims),
  readFloat32(value) {
    const { data } = ortTensor(value);
    if (data instanceof Float32Array) return data;
    throw new TypeError("not a float32 tensor");
  },
  memoryBytes: () => memory?.buffer.byteLength ?? 0,
};
