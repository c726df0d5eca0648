// int8 weights with one scale per output channel; activations are quantised per tensor when they arrive
// (DynamicQuantizeLinear, MatMulInteger: the plain ONNX form that every runtime has and onnxruntime fuses).

import type { GraphBuilder, Value } from "./graph-builder.ts";
import type { Layers, WeightSource } from "./layers.ts";
import { createOps } from "./ops.ts";
import { bytesOf, quantizeRows, rowScales, transposeInt8 } from "./tensor-bytes.ts";

type Float = Value<"float32">;

/** x is about (values - zeroPoint) * scale. */
export interface QuantizedActivation {
  values: Value<"uint8">;
  scale: Float;
  zeroPoint: Value<"uint8">;
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
    const sums = ops.cast(ops.matMulInteger(x.values, matrix, x.zeroPoint), "float32");
    return ops.mul(sums, ops.mul(x.scale, scale));
  };
  const activation = (x: Float): QuantizedActivation => ops.dynamicQuantizeLinear(x);
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
    firstRows: (x, count) => ({ ...x, values: ops.slice(x.values, graph.int64([0]), count, graph.int64([1])) }),
  };
}
