// float32 weights: MatMul on weights stored transposed, Gemm on a table that embedding and head share.

import type { GraphBuilder, Value } from "./graph-builder.ts";
import type { Layers, WeightSource } from "./layers.ts";
import { createOps } from "./ops.ts";
import { bytesOf, transposeFloats } from "./tensor-bytes.ts";

/** Layers whose weights stay float32. */
export function createFloatLayers(graph: GraphBuilder, weights: WeightSource): Layers<Value<"float32">> {
  const ops = createOps(graph);
  const table = (name: string): Value<"float32"> =>
    graph.weight({
      name,
      type: "float32",
      shape: weights.shape(name),
      load: async () => bytesOf(await weights.read(name)),
    });
  return {
    activation: (x) => x,
    linear(x, name) {
      const [out, inner] = weights.shape(name);
      const load = async (): Promise<Uint8Array> => bytesOf(transposeFloats(await weights.read(name), out, inner));
      return ops.matMul(x, graph.weight({ name, type: "float32", shape: [inner, out], load }));
    },
    embed: (ids, name) => ops.gather(table(name), ids),
    head(x, name) {
      const [vocab, dModel] = weights.shape(name);
      const rows = ops.reshape(x, graph.int64([-1, dModel])); // [B, T, D] -> [B*T, D]
      const logits = ops.gemmTransposed(rows, table(name));
      const shape = ops.concat([ops.sizeOf(x, 0), ops.sizeOf(x, 1), graph.int64([vocab])], 0);
      return ops.reshape(logits, shape); // [B*T, V] -> [B, T, V]
    },
    firstRows: (x, count) => ops.slice(x, graph.int64([0]), count, graph.int64([1])),
  };
}
