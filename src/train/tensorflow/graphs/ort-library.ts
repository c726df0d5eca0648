// onnxruntime's C interface, called in the library that onnxruntime-node brings along. The package's own binding hands every result over as a
// new array of JavaScript, a copy; here results stay where onnxruntime made them. The interface is one table of functions that only ever grows,
// so each has its place for good (onnxruntime_c_api.h, OrtApi; places below).

import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { default as Koffi, LibraryHandle } from "koffi";

/** The address of something of onnxruntime's. */
export type Address = bigint;

/** What a function takes: an address, memory of JavaScript, a text, a number. */
type Argument =
  | Address
  | BigInt64Array
  | BigUint64Array
  | Uint8Array
  | Float32Array
  | Int32Array
  | string
  | number
  | null;

/** An array of JavaScript as addresses: what a function writes one into, or a list that it reads. */
export const addresses = (count: number): BigUint64Array => new BigUint64Array(new ArrayBuffer(8 * count));

const FILES: Readonly<Record<string, string>> = {
  linux: "libonnxruntime.so.1",
  darwin: "libonnxruntime.1.dylib",
  win32: "onnxruntime.dll",
};

/** Functions that return a status, by place; arguments: `p` an address or memory, `s` a text, `i` an int, `n` a size_t. */
const CALLS = {
  createEnv: [3, "isp"],
  createSessionFromArray: [8, "ppnpp"],
  run: [9, "ppppnpnp"],
  createSessionOptions: [10, "p"],
  disableMemPattern: [17, "p"],
  setGraphOptimizationLevel: [23, "pi"],
  setIntraOpNumThreads: [24, "pi"],
  createTensorWithData: [49, "ppnpnip"],
  getTensorMutableData: [51, "pp"],
  getDimensionsCount: [61, "pp"],
  getDimensions: [62, "ppn"],
  getTensorTypeAndShape: [65, "pp"],
  createCpuMemoryInfo: [69, "iip"],
  addSessionConfigEntry: [130, "pss"],
  createAndRegisterAllocator: [144, "ppp"],
} as const;

/** Functions that free what they are given. */
const RELEASES = { status: 93, session: 95, value: 96, typeAndShape: 99, sessionOptions: 100 } as const;

const GET_ERROR_MESSAGE = 2;

/** A version of the table that has all of these; a newer library answers with its own, longer table. */
const API_VERSION = 17;

export interface OrtLibrary {
  /** Must be kept: koffi closes a library that nothing holds any more. */
  library: LibraryHandle;
  /** Throws onnxruntime's message where the status is not OK. */
  call: Readonly<Record<keyof typeof CALLS, (...args: readonly Argument[]) => void>>;
  release: Readonly<Record<keyof typeof RELEASES, (what: Address) => void>>;
  /** Where an array of JavaScript lies. V8 may move a small one, but not once its buffer was asked for, as here. */
  addressOf(array: Uint8Array | Float32Array | Int32Array): Address;
  /** Memory at an address as JavaScript sees it, without a copy. */
  view(at: Address, bytes: number): ArrayBuffer;
}

const TYPES: Readonly<Record<string, string>> = { p: "void *", s: "str", i: "int", n: "size_t" };

type Native<Result> = (...args: readonly Argument[]) => Result;

/** Loads the library. Throws where onnxruntime-node or koffi has no binary for this machine. */
export function loadOrtLibrary(): OrtLibrary {
  const require = createRequire(import.meta.url);
  const koffi: typeof Koffi = require("koffi"); // only now: the other backends do without it
  const home = dirname(require.resolve("onnxruntime-node/package.json"));
  const file = FILES[process.platform];
  if (file === undefined) throw new Error(`onnxruntime-node has no library for ${process.platform}`);
  const library = koffi.load(join(home, "bin", "napi-v6", process.platform, process.arch, file));
  const base: Address = library.func("OrtGetApiBase", "void *", [])();
  const functionAt = <Result>(address: Address, result: string, types: readonly string[]): Native<Result> =>
    koffi.decode(address, koffi.proto(result, [...types])); // which gives a function of these types
  const getApi = functionAt<Address | null>(koffi.decode(base, "void *"), "void *", ["uint32_t"]);
  const table = getApi(API_VERSION);
  if (table === null) throw new Error("onnxruntime's library is older than its interface is needed here");
  const at = <Result>(place: number, result: string, types: string): Native<Result> =>
    functionAt(
      koffi.decode(table, 8 * place, "void *"),
      result,
      [...types].map((type) => TYPES[type] ?? type),
    );
  const message = at<string>(GET_ERROR_MESSAGE, "str", "p");
  const release = mapValues(RELEASES, (place) => at<void>(place, "void", "p"));
  const call = mapValues(CALLS, ([place, types]) => {
    const run = at<Address | null>(place, "void *", types);
    return (...args: readonly Argument[]): void => {
      const status = run(...args);
      if (status === null || status === 0n) return;
      const what = message(status);
      release.status(status);
      throw new Error(`onnxruntime: ${what}`);
    };
  });
  return {
    library,
    call,
    release,
    addressOf: ({ buffer, byteOffset }) => koffi.address(buffer) + BigInt(byteOffset),
    view: (at, bytes) => koffi.view(at, bytes),
  };
}

function mapValues<Key extends string, From, To>(
  record: Readonly<Record<Key, From>>,
  map: (from: From) => To,
): Record<Key, To> {
  const entries = Object.entries<From>(record).map(([key, value]) => [key, map(value)]);
  return Object.fromEntries(entries) as Record<Key, To>; // the same keys
}
