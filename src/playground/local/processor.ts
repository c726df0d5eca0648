// The model on the processor, on as many threads as the page may have: the same WebAssembly as in the worker.

import glue from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import * as library from "onnxruntime-web/wasm";
import type { Runtime } from "../../edge/engine/runtime.ts";
import { createBrowserRuntime, prepareLibrary } from "./browser-runtime.ts";

/** `files` is where the page's own files lie. Throws what fetch throws. */
export async function startProcessor(files: URL, threads: number): Promise<Runtime> {
  await prepareLibrary(library, { glue, wasm: new URL("ort-wasm.gz", files).href, threads });
  return createBrowserRuntime(library, "wasm");
}
