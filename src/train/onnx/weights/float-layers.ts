// float32 weights: MatMul on weights stored transposed; a tied head shares the table of the embedding.

import type { GraphBuilder, Value } from "../graph/graph-builder.ts";
import { createOps } from "../graph/ops.ts";
import { bytesOf, transposeFloats } from "../graph/tensor-bytes.ts";
import type { Layers, WeightSource } from "./layers.ts";

type Float = Value<"float32">;

/** Layers whose weights stay float32. */
export function createFloatLayers(graph: GraphBuilder, weights: WeightSource): Layers<Float> {
  const ops = createOps(graph);
  const table = (name: string): Float =>
    graph.weight({
      name,
      type: "float32",
      shape: weights.shape(name),
      load: async () => bytesOf(await weights.read(name)),
    });
  const linear = (x: Float, name: string): Float => {
    const [out, inner] = weights.shape(name);
    const load = async (): Promise<Uint8Array> => bytesOf(transposeFloats(await weights.read(name), out, inner));
    return ops.matMul(x, graph.weight({ name, type: "float32", shape: [inner, out], load }));
  };
  let embedded: string | undefined;
  return {
    activation: (x) => x,
    linear,
    embed(ids, name) {
      embedded = name;
      return ops.gather(table(name), ids);
    },
    // a tied head reads the table itself: one copy in the file, and onnxruntime fuses the transposition into the product
    head: (x, name) => (name === embedded ? ops.matMul(x, ops.transpose(table(name), [1, 0])) : linear(x, name)),
    firstRows: (x, count) => ops.slice(x, graph.int64([0]), count, graph.int64([1])),
  };
}
