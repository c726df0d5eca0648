// The engine's Runtime on onnxruntime-node.

import { totalmem } from "node:os";
import { InferenceSession, Tensor } from "onnxruntime-node";
import type { Runtime, Value } from "../edge/engine/runtime.ts";
import { javascriptRows } from "../edge/ort/javascript-rows.ts";
import { ArtifactError } from "../shared/errors.ts";

/** Of the machine's memory: the weights, which the runtime does not tell of, and all else take the rest. */
const SHARE = 0.5;

/** Of the machine, or of the container where that is less. */
function memoryHere(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}

function tensorOf(value: Value | undefined): Tensor {
  if (value instanceof Tensor) return value;
  throw new TypeError("not a tensor of onnxruntime-node");
}

function floatsOf(value: Value): Float32Array {
  const { data } = tensorOf(value);
  if (data instanceof Float32Array) return data;
  throw new TypeError("not a float32 tensor");
}

/** A runtime whose graphs run on `threads` threads. */
export function createNodeRuntime(threads: number): Runtime {
  return {
    async createSession(bytes, where, weights = []) {
      const options = {
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        externalData: [...weights],
        // AVX2 adds pairs of 8-bit products in 16 bits, which overflows; WebAssembly does not
        extra: { session: { x64quantprecision: "1" } },
      };
      const session = await InferenceSession.create(bytes, options).catch((cause: unknown) => {
        const fix = "Export the model again: npm run export -- --model DIR.";
        throw new ArtifactError({ code: "bad_graph", what: "not a usable ONNX graph", where, fix, cause });
      });
      return {
        outputNames: session.outputNames,
        async run(feeds, fetches, into = {}) {
          const inputs = Object.fromEntries(Object.entries(feeds).map(([name, value]) => [name, tensorOf(value)]));
          const places = fetches.map((name) => [name, into[name] === undefined ? null : tensorOf(into[name])]);
          const outputs = await session.run(inputs, Object.fromEntries(places));
          return fetches.map((name) => tensorOf(outputs[name]));
        },
        release: () => session.release(),
      };
    },
    int64: (values, dims) => new Tensor("int64", BigInt64Array.from(values, BigInt), dims),
    float32: (values, dims) => new Tensor("float32", values, dims),
    ...javascriptRows(floatsOf, (data, dims) => new Tensor("float32", data, dims)),
    readFloat32: floatsOf,
    free: () => undefined,
    memoryBytes: () => 0,
    memoryLimitBytes: memoryHere() * SHARE,
  };
}
