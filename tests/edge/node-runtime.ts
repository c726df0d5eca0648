// The engine's Runtime on onnxruntime-node, so that engine tests run on real graphs without workerd; and a model store on a folder.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import type { Runtime, Value } from "../../src/edge/engine/runtime.ts";
import type { ModelStore } from "../../src/edge/model-store.ts";
import { copyRows } from "../../src/edge/ort/copy-rows.ts";

function tensorOf(value: Value | undefined): Tensor {
  if (value instanceof Tensor) return value;
  throw new TypeError("not a tensor of onnxruntime-node");
}

export const nodeRuntime: Runtime = {
  async createSession(bytes, _where, weights = []) {
    const options = {
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      externalData: [...weights],
      // AVX2 adds pairs of 8-bit products in 16 bits, which overflows; WebAssembly does not
      extra: { session: { x64quantprecision: "1" } },
    };
    const session = await InferenceSession.create(bytes, options);
    return {
      async run(feeds, fetches) {
        const inputs = Object.fromEntries(Object.entries(feeds).map(([name, value]) => [name, tensorOf(value)]));
        const outputs = await session.run(inputs, [...fetches]);
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
      (part) => part && { floats: nodeRuntime.readFloat32(part.value), length: part.value.dims[2] ?? 0, row: part.row },
    );
    copyRows(out, sources, shape);
    return new Tensor("float32", out, [parts.length, shape.heads, shape.length, shape.width]);
  },
  readFloat32(value) {
    const { data } = tensorOf(value);
    if (data instanceof Float32Array) return data;
    throw new TypeError("not a float32 tensor");
  },
  free: () => undefined,
  memoryBytes: () => 0,
};

/** A store whose folders are given directories. */
export function folderStore(folders: Readonly<Record<string, string>>): ModelStore {
  return {
    async read(path) {
      const [folder = "", ...rest] = path.split("/");
      const dir = folders[folder];
      if (dir === undefined) return undefined;
      return readFile(join(dir, ...rest)).then(
        (bytes) => new Uint8Array(bytes),
        () => undefined,
      );
    },
  };
}
