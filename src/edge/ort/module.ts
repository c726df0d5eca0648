// The compiled ONNX runtime, started without what workerd does not have: no WebAssembly compiled from bytes at run time, no threads. While
// the library's glue code starts, some globals are swapped; it is also then that the runtime's own C interface is got hold of, which the
// library keeps to itself. https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/wasm/api.h

/** The runtime's C interface (api.h), as far as it is used; numbers are addresses, handles, counts and error codes. */
export interface OrtModule {
  _malloc(bytes: number): number;
  _free(address: number): void;
  /** Returns a session's handle; wrapped to note it. */
  _OrtCreateSession(model: number, bytes: number, options: number): unknown;
  _OrtCreateTensor(type: number, data: number, bytes: number, dims: number, rank: number, location: number): number;
  _OrtGetTensorData(tensor: number, type: number, data: number, dims: number, rank: number): number;
  _OrtReleaseTensor(tensor: number): number;
  _OrtFree(address: number): number;
  _OrtRun(
    session: number,
    inputNames: number,
    inputs: number,
    inputCount: number,
    outputNames: number,
    outputCount: number,
    outputs: number,
    options: number,
  ): unknown;
  _OrtGetLastError(code: number, message: number): number;
  UTF8ToString(address: number): string;
}

const FUNCTIONS = [
  "_malloc",
  "_free",
  "_OrtCreateSession",
  "_OrtCreateTensor",
  "_OrtGetTensorData",
  "_OrtReleaseTensor",
  "_OrtFree",
  "_OrtRun",
  "_OrtGetLastError",
  "UTF8ToString",
] as const;

/** A started runtime. */
export interface StartedOrt {
  module: OrtModule;
  memory: WebAssembly.Memory;
  /** Handle of the session that was opened last. */
  lastSession(): number;
}

const PAGE_BYTES = 65_536;

/**
 * Runs `start`, which opens a first session, with the globals that the glue code needs; `wasm` is the runtime compiled, its memory
 * unshared. The library starts once: where it did, and its first graph could not be opened, the result is rejected and the runtime is
 * there all the same. Throws what `start` throws where it did not start, TypeError when it is not the one that this was written for.
 */
export async function startOrt<T>(
  wasm: WebAssembly.Module,
  start: () => Promise<T>,
): Promise<{ started: StartedOrt; result: PromiseSettledResult<T> }> {
  const { instantiate, Memory } = WebAssembly;
  const waitAsync = Object.getOwnPropertyDescriptor(Atomics, "waitAsync");
  const growth = { needed: 0 };
  const session = { handle: 0 };
  let memory: WebAssembly.Memory | undefined;
  let module: object | undefined;
  Object.assign(WebAssembly, {
    instantiate: async (_bytes: unknown, imports: WebAssembly.Imports) => ({
      module: wasm,
      instance: new WebAssembly.Instance(wasm, notingArguments(imports, growth)),
    }),
    // Called with `new`; drops `shared`, which the module no longer asks for.
    Memory: function plainMemory({ initial, maximum = 65536 }: WebAssembly.MemoryDescriptor) {
      memory = growingTightly(new Memory({ initial, maximum }), growth);
      return memory;
    },
  });
  Object.defineProperty(Atomics, "waitAsync", { value: undefined, configurable: true, writable: true });
  // The glue code puts its functions on an object of its own: the first one is caught by the setter that the object inherits.
  Object.defineProperty(Object.prototype, "_OrtCreateSession", {
    configurable: true,
    set(this: object, create: OrtModule["_OrtCreateSession"]) {
      module = this;
      const noting = (...args: Parameters<typeof create>): unknown => {
        const handle = create(...args);
        session.handle = typeof handle === "number" ? handle : 0;
        return handle;
      };
      Object.defineProperty(this, "_OrtCreateSession", { value: noting, configurable: true, writable: true });
    },
  });
  try {
    const [result] = await Promise.allSettled([start()]);
    if (memory === undefined || module === undefined || !isOrtModule(module)) {
      if (result.status === "rejected") throw result.reason;
      throw new TypeError("onnxruntime-web is not the version of package-lock.json");
    }
    return { started: { module, memory, lastSession: () => session.handle }, result };
  } finally {
    Reflect.deleteProperty(Object.prototype, "_OrtCreateSession");
    Object.assign(WebAssembly, { instantiate, Memory });
    if (waitAsync === undefined) Reflect.deleteProperty(Atomics, "waitAsync");
    else Object.defineProperty(Atomics, "waitAsync", waitAsync);
  }
}

function isOrtModule(module: object): module is OrtModule {
  return FUNCTIONS.every((name) => typeof Reflect.get(module, name) === "function");
}

/** The same imports, with the argument of every call of one argument noted: when memory grows, the size that it needs. Such calls are rare. */
function notingArguments(imports: WebAssembly.Imports, growth: { needed: number }): WebAssembly.Imports {
  const noting = (value: WebAssembly.ImportValue): WebAssembly.ImportValue => {
    if (typeof value !== "function" || value.length !== 1) return value;
    return (argument: unknown) => {
      growth.needed = typeof argument === "number" ? argument : 0;
      return Reflect.apply(value, undefined, [argument]);
    };
  };
  const module = (values: WebAssembly.ModuleImports) =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [name, noting(value)]));
  return Object.fromEntries(Object.entries(imports).map(([name, values]) => [name, module(values)]));
}

/** Memory that grows by what is needed: the glue code would ask for up to 20 % of what there is on top. */
function growingTightly(memory: WebAssembly.Memory, growth: { needed: number }): WebAssembly.Memory {
  const grow = memory.grow.bind(memory);
  return Object.defineProperty(memory, "grow", {
    value: (pages: number): number => {
      const needed = Math.ceil(((growth.needed >>> 0) - memory.buffer.byteLength) / PAGE_BYTES);
      return grow(needed > 0 && needed < pages ? needed : pages);
    },
  });
}
