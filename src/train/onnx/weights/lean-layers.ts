// int8 linear maps of the worker's own graphs, in few nodes: activations are rows `[rows, n]`, each rounded to 8 bits with a scale of its
// own, so that no row moves another. Where rounding costs most (export-lean.ts says where) a row is two such digits, about 15 bits,
// which pass through one product, so that the weights are read once. An adapter adds its low-rank product in float32, times a scale that is
// an input of the graph. Digits are unsigned, for which WebAssembly has a SIMD kernel.

import { once } from "../../../shared/once.ts";
import type { GraphBuilder, Value } from "../graph/graph-builder.ts";
import { createOps } from "../graph/ops.ts";
import { createRuntimeOps } from "../graph/runtime-ops.ts";
import { bytesOf, quantizeRows, rowScales, transposeInt8 } from "../graph/tensor-bytes.ts";
import { createFloatLayers } from "./float-layers.ts";
import type { WeightSource } from "./layers.ts";
import type { LeanAdapter } from "./lean-adapter.ts";

type Float = Value<"float32">;

/** x is about (digits - 128) * scale; with two digits the low ones follow as further rows, whose scale is 1/254 of the first. */
interface Digits {
  /** `[rows, n]` or `[2 rows, n]` */
  values: Value<"uint8">;
  /** `[rows, 1]` or `[2 rows, 1]` */
  scale: Float;
}

/** Rows in the forms that their maps ask for, each made at the first call. */
export interface Rows {
  float: Float;
  coarse: () => Digits;
  fine: () => Digits;
}

/** Linear maps on rows `[rows, in]`, to `[rows, out]`. */
export interface LeanLayers {
  rows(x: Float): Rows;
  linear(x: Rows, weight: string): Float;
}

/** Digits count from -127 to 127 around this. */
const ZERO_POINT = 128;
const LARGEST_DIGIT = 127;
/** The low digit counts in steps of 1/254: the high one is off by at most a half. */
const LOW_STEPS = 2 * LARGEST_DIGIT;

/** `floats` names matrices that stay float32, `fine` tells which take two digits; `adapter` adds its products. */
export function createLeanLayers(
  graph: GraphBuilder,
  weights: WeightSource,
  options: {
    floats: ReadonlySet<string>;
    fine: (weight: string) => boolean;
    adapter?: { source: LeanAdapter; scale: Float } | undefined;
  },
): LeanLayers {
  const { floats, fine, adapter } = options;
  const ops = createOps(graph);
  const { matMulScaled } = createRuntimeOps(graph);
  const floatLayers = createFloatLayers(graph, weights);

  const quantize = (x: Float, scale: Float): Value<"uint8"> => {
    const flat = ops.reshape(scale, graph.int64([-1]));
    return ops.quantize(x, flat, zeroPoints(x));
  };
  let points: Value<"uint8"> | undefined;
  const zeroPoints = (x: Float): Value<"uint8"> => {
    points ??= ops.expand(graph.uint8(ZERO_POINT), ops.sizeOf(x, 0)); // every activation of a graph has the same rows
    return points;
  };
  const coarseOf = (x: Float): Digits => {
    const largest = ops.add(ops.reduceMax(ops.abs(x)), graph.float(1e-12)); // a row of zeros stays zeros
    const scale = ops.mul(largest, graph.float(1 / LARGEST_DIGIT));
    return { values: quantize(x, scale), scale };
  };
  const fineOf = (x: Float, { values: high, scale }: Digits): Digits => {
    const rounded = ops.mul(ops.sub(ops.cast(high, "float32"), graph.float(ZERO_POINT)), scale);
    const lowScale = ops.mul(scale, graph.float(1 / LOW_STEPS));
    const low = quantize(ops.sub(x, rounded), lowScale);
    return { values: ops.concat([high, low], 0), scale: ops.concat([scale, lowScale], 0) };
  };
  const matrix = (name: string): { values: Value<"int8">; scales: Float } => {
    const [out, inner] = weights.shape(name);
    const values = async (): Promise<Uint8Array> =>
      bytesOf(transposeInt8(quantizeRows(await weights.read(name), out, inner), out, inner));
    const scales = async (): Promise<Uint8Array> => bytesOf(rowScales(await weights.read(name), out, inner));
    return {
      values: graph.weight({ name: `${name}_quantized`, type: "int8", shape: [inner, out], load: values }),
      scales: graph.weight({ name: `${name}_scale`, type: "float32", shape: [out], load: scales }),
    };
  };
  const quantizedLinear = (x: Rows, name: string): Float => {
    const { values, scales } = matrix(name);
    const digits = fine(name) ? x.fine() : x.coarse();
    const product = matMulScaled(digits.values, values, scales, graph.uint8(ZERO_POINT));
    const scaled = ops.mul(product, digits.scale);
    if (!fine(name)) return scaled;
    // both digits, times their scales, are added: [2 rows, out] -> [2, rows, out] -> [rows, out]
    const [out] = weights.shape(name);
    const pairs = ops.reshape(scaled, graph.int64([2, -1, out]));
    return ops.reduceSum(pairs, graph.int64([0]));
  };
  const adapted = (x: Rows, name: string): Float | undefined => {
    const pair = adapter?.source.matrices(name);
    if (adapter === undefined || pair === undefined) return undefined;
    const inner = ops.matMul(x.float, graph.weight(pair.a)); // [rows, r]
    return ops.matMul(ops.mul(inner, adapter.scale), graph.weight(pair.b));
  };
  return {
    rows(x) {
      const coarse = once(() => coarseOf(x));
      return { float: x, coarse, fine: once(() => fineOf(x, coarse())) };
    },
    linear(x, name) {
      const base = floats.has(name) ? floatLayers.linear(x.float, name) : quantizedLinear(x, name);
      const more = adapted(x, name);
      return more === undefined ? base : ops.add(base, more);
    },
  };
}
