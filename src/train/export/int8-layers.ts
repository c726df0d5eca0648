// int8 weights with one scale per output channel; activations are quantised when they arrive, with one scale per token: one per
// tensor (DynamicQuantizeLinear) moved step scores of the model that ships by up to 0.07, and made them depend on their batch.

import type { GraphBuilder, Value } from "./graph-builder.ts";
import type { Layers, WeightSource } from "./layers.ts";
import { createOps } from "./ops.ts";
import { bytesOf, quantizeRows, rowScales, transposeInt8 } from "./tensor-bytes.ts";

type Float = Value<"float32">;

/** x is about values * scale; values [B, T, n], scale [B, T, 1]. */
export interface QuantizedActivation {
  values: Value<"int8">;
  scale: Float;
}

/** Layers whose matrices, embedding and head are int8; norms and position biases stay float32. */
export function createInt8Layers(graph: GraphBuilder, weights: WeightSource): Layers<QuantizedActivation> {
  const ops = createOps(graph);
  /** One scale per row of the checkpoint's `[rows, columns]`: an output channel, or a token. */
  const scales = (name: string): Float => {
    const [rows, columns] = weights.shape(name);
    const load = async (): Promise<Uint8Array> => bytesOf(rowScales(await weights.read(name), rows, columns));
    return graph.weight({ name: `${name}_scale`, type: "float32", shape: [rows], load });
  };
  const table = (name: string): Value<"int8"> => {
    const [rows, columns] = weights.shape(name);
    const load = async (): Promise<Uint8Array> => bytesOf(quantizeRows(await weights.read(name), rows, columns));
    return graph.weight({ name: `${name}_quantized`, type: "int8", shape: [rows, columns], load });
  };
  const matMul = (x: QuantizedActivation, matrix: Value<"int8">, scale: Float): Float => {
    const sums = ops.cast(ops.matMulInteger(x.values, matrix), "float32");
    return ops.mul(ops.mul(sums, scale), x.scale);
  };
  const activation = (x: Float): QuantizedActivation => {
    const largest = ops.add(ops.reduceMax(ops.abs(x)), graph.float(1e-12)); // a row of zeros stays zeros
    const scale = ops.mul(largest, graph.float(1 / 127));
    return { values: ops.cast(ops.round(ops.div(x, scale)), "int8"), scale };
  };
  const linear = (x: QuantizedActivation, name: string): Float => {
    const [out, inner] = weights.shape(name);
    const load = async (): Promise<Uint8Array> =>
      bytesOf(transposeInt8(quantizeRows(await weights.read(name), out, inner), out, inner));
    const matrix = graph.weight({ name: `${name}_quantized`, type: "int8", shape: [inner, out], load });
    return matMul(x, matrix, scales(name));
  };
  let embedded: string | undefined;
  return {
    activation,
    linear,
    embed(ids, name) {
      embedded = name;
      const rows = ops.cast(ops.gather(table(name), ids), "float32"); // [B, T, D]
      return ops.mul(rows, ops.unsqueeze(ops.gather(scales(name), ids), graph.int64([-1])));
    },
    head(x, name) {
      if (name !== embedded) return linear(activation(x), name);
      return matMul(activation(x), ops.transpose(table(name), [1, 0]), scales(name)); // one table in the file for both
    },
    firstRows: ({ values, scale }, count) => ({
      values: ops.slice(values, graph.int64([0]), count, graph.int64([1])),
      scale: ops.slice(scale, graph.int64([0]), count, graph.int64([1])),
    }),
  };
}
