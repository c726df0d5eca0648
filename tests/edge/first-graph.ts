// Run by ort-runtime.test.ts in a process of its own: a damaged graph comes first, twice, then a whole one.

import { readFile } from "node:fs/promises";
import { env, InferenceSession } from "onnxruntime-web/wasm";
import { createOrtRuntime } from "../../src/edge/ort/runtime.ts";
import { sessionOptions } from "../../src/edge/ort/session-options.ts";
import { ArtifactError } from "../../src/shared/errors.ts";

const [, , wasmPath = "", graphPath = ""] = process.argv;
env.wasm.numThreads = 1;
env.wasm.wasmBinary = new ArrayBuffer(8);
const wasm = await WebAssembly.compile(await readFile(wasmPath));
const runtime = createOrtRuntime(wasm, (bytes, weights) => InferenceSession.create(bytes, sessionOptions(weights)));
const graph = new Uint8Array(await readFile(graphPath));

for (let attempt = 0; attempt < 2; attempt++) {
  try {
    await runtime.createSession(graph.slice(0, 200), "policy/onnx/encoder_model.onnx");
  } catch (error) {
    console.log(`refused: ${error instanceof ArtifactError ? error.code : error}`);
  }
}
const session = await runtime.createSession(graph.slice(), "policy/onnx/encoder_model.onnx");
const ids = runtime.int64([5, 6, 1], [1, 3]);
const mask = runtime.int64([1, 1, 1], [1, 3]);
const [states] = await session.run({ input_ids: ids, attention_mask: mask }, ["last_hidden_state"]);
console.log(`opened and ran: ${states?.dims.join()}`);
process.exit(0);
