// The engine's Runtime on onnxruntime-node.

import { InferenceSession, Tensor } from "onnxruntime-node";
import type { Runtime, Value } from "../edge/engine/runtime.ts";
import { copyRow, copyRows } from "../edge/ort/copy-rows.ts";
import { ArtifactError } from "../shared/errors.ts";

function tensorOf(value: Value | undefined): Tensor {
  if (value instanceof Tensor) return value;
  throw new TypeError("not a tensor of onnxruntime-node");
}

/** A runtime whose graphs run on `threads` threads. */
export function createNodeRuntime(threads: number): Runtime {
  const runtime: Runtime = {
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
    joinRows(parts, shape) {
      const out = new Float32Array(parts.length * shape.heads * shape.length * shape.width);
      const sources = parts.map(
        (part) => part && { floats: runtime.readFloat32(part.value), length: part.value.dims[2] ?? 0, row: part.row },
      );
      copyRows(out, sources, shape);
      return new Tensor("float32", out, [parts.length, shape.heads, shape.length, shape.width]);
    },
    firstRows(value, rows) {
      const dims = [rows, ...value.dims.slice(1)];
      const count = dims.reduce((product, dim) => product * dim, 1);
      return new Tensor("float32", runtime.readFloat32(value).subarray(0, count), dims);
    },
    copyRow(from, to) {
      const [heads = 0, length = 0, width = 0] = to.value.dims.slice(1);
      const size = heads * length * width;
      const row = runtime.readFloat32(to.value).subarray(to.row * size, (to.row + 1) * size);
      const source = { floats: runtime.readFloat32(from.value), length: from.value.dims[2] ?? 0, row: from.row };
      copyRow(row, source, { heads, length, width });
    },
    readFloat32(value) {
      const { data } = tensorOf(value);
      if (data instanceof Float32Array) return data;
      throw new TypeError("not a float32 tensor");
    },
    free: () => undefined,
    memoryBytes: () => 0,
  };
  return runtime;
}
