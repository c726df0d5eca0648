// The only file that imports onnxruntime-web, and its wasm as a compiled module (the shipped one with its memory changed, see
// src/infer/edge-wasm.ts).

import { env, InferenceSession } from "onnxruntime-web/wasm";
// biome-ignore lint/style/noRestrictedImports: the runtime's own wasm, prepared for workers
import wasmModule from "../../outputs/edge_build/ort-wasm-simd.wasm";
import { createOrtRuntime } from "./ort/runtime.ts";
import { sessionOptions } from "./ort/session-options.ts";

env.wasm.numThreads = 1;
// Never read: its presence makes the library use its embedded glue code.
env.wasm.wasmBinary = new ArrayBuffer(8);
env.logLevel = "error";

/** onnxruntime-web's WebAssembly backend, single-threaded. */
export const ortRuntime = createOrtRuntime(wasmModule, (bytes, weights) =>
  InferenceSession.create(bytes, sessionOptions(weights)),
);
