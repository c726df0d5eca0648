// int8 weights with one scale per output channel. An activation is written in two 7-bit digits with one scale per token, about 13 bits:
// with one digit, products of T5's gated feed-forward layer (large outliers) moved step scores of the model that ships by up to 0.05.
// Both digits pass through one MatMulInteger, so that the weights are read once. Matrices named in `floats` stay float32 (int8-plan.ts).
// Digits are unsigned, for which WebAssembly has a SIMD kernel, and of 7 bits, since the AVX2 kernel adds pairs of products in 16 bits.

import { once } from "../../../shared/once.ts";
import type { GraphBuilder, Value } from "../graph/graph-builder.ts";
import { createOps } from "../graph/ops.ts";
import { bytesOf, quantizeRows, rowScales, transposeInt8 } from "../graph/tensor-bytes.ts";
import { createFloatLayers } from "./float-layers.ts";
import type { Layers, WeightSource } from "./layers.ts";

type Float = Value<"float32">;

/** x is about ((high - 64) + (low - 64) / 126) * scale. */
interface Digits {
  /** `[2B, T, n]`: the high digits of all rows, then the low ones. */
  values: Value<"uint8">;
  /** `[B, T, 1]` */
  scale: Float;
}

/** An activation in the forms that its maps ask for. */
export interface MixedActivation {
  float: Float;
  /** Made at the first call. */
  digits: () => Digits;
}

/** Digits count from -63 to 63 around this. */
const ZERO_POINT = 64;
const LARGEST_DIGIT = 63;
/** The low digit counts in steps of 1/126: the high one is off by at most a half. */
const LOW_STEPS = 2 * LARGEST_DIGIT;

/** Layers whose matrices, embedding and head are int8 but for `floats`; norms and position biases stay float32. */
export function createInt8Layers(
  graph: GraphBuilder,
  weights: WeightSource,
  floats: ReadonlySet<string>,
): Layers<MixedActivation> {
  const ops = createOps(graph);
  const floatLayers = createFloatLayers(graph, weights);
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
  const digitsOf = (x: Float): Digits => {
    const largest = ops.add(ops.reduceMax(ops.abs(x)), graph.float(1e-12)); // a row of zeros stays zeros
    const scale = ops.mul(largest, graph.float(1 / LARGEST_DIGIT));
    const scaled = ops.div(x, scale);
    const high = ops.round(scaled);
    const low = ops.round(ops.mul(ops.sub(scaled, high), graph.float(LOW_STEPS)));
    const digits = ops.add(ops.concat([high, low], 0), graph.float(ZERO_POINT));
    return { values: ops.cast(digits, "uint8"), scale };
  };
  const matMul = (x: MixedActivation, matrix: Value<"int8">, scale: Float): Float => {
    const { values, scale: tokenScale } = x.digits();
    const [high, low] = ops.halves(ops.cast(ops.matMulInteger(values, matrix, graph.uint8(ZERO_POINT)), "float32"));
    const sums = ops.add(high, ops.mul(low, graph.float(1 / LOW_STEPS)));
    return ops.mul(ops.mul(sums, scale), tokenScale);
  };
  const activation = (x: Float): MixedActivation => ({ float: x, digits: once(() => digitsOf(x)) });
  const linear = (x: MixedActivation, name: string): Float => {
    if (floats.has(name)) return floatLayers.linear(x.float, name);
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
      if (floats.has(name)) return floatLayers.embed(ids, name);
      embedded = name;
      const rows = ops.cast(ops.gather(table(name), ids), "float32"); // [B, T, D]
      return ops.mul(rows, ops.unsqueeze(ops.gather(scales(name), ids), graph.int64([-1])));
    },
    head(x, name) {
      if (floats.has(name)) return floatLayers.head(x, name);
      if (name !== embedded) return linear(activation(x), name);
      return matMul(activation(x), ops.transpose(table(name), [1, 0]), scales(name)); // one table in the file for both
    },
    firstRows: (x, count) => ({
      float: floatLayers.firstRows(x.float, count),
      // cut after rounding: onnxruntime's Concat loses the shape of two empty tensors
      digits: once(() => {
        const { values, scale } = x.digits();
        const [start, axis] = [graph.int64([0]), graph.int64([1])];
        return { values: ops.slice(values, start, count, axis), scale: ops.slice(scale, start, count, axis) };
      }),
    }),
  };
}
