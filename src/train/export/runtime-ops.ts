// Operators that only onnxruntime has (com.microsoft), for the worker's own graphs: each is one node where the standard needs many, and a
// node costs time and memory whatever it computes. And the product with 4-bit weights, which the standard lacks. https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md

import type { GraphBuilder, Value } from "./graph-builder.ts";
import { BLOCK } from "./q4-blocks.ts";

export const RUNTIME_DOMAIN = "com.microsoft";
export const RUNTIME_OPSET = 1;

type Float = Value<"float32">;

/**
 * MatMulNBits may round activations to 8 bits in blocks of 32: a token then takes up to a third less time in Node, and logits are as
 * near to those of fp32 as without (docs/export.md). WebAssembly computes in float32 all the same.
 */
const ACCURACY_INT8 = 4;

/** Added to the score of a padded key. */
const PADDED = -1e30;

export interface AttentionInputs {
  /** `[B, T, H*K]` */
  query: Float;
  /** `[B, T, H*K]` beside a past, `[B, H, S, K]` where they are another sequence's. */
  key: Float;
  value: Float;
  numHeads: number;
  /** `[B, S]`, 1 for real keys. */
  keyMask?: Value<"int32"> | undefined;
  /** `[1, H, T, S]`, added to the scores. */
  bias?: Float | undefined;
  /** `[B, H, past, K]` each. */
  past?: { key: Float; value: Float } | undefined;
}

/** The operators as functions that append to `graph`. */
export function createRuntimeOps(graph: GraphBuilder) {
  const float = (opType: string): Float => graph.value("float32", opType);
  return {
    /** The RMS norm of `x` times `weight`. The operator is the runtime's own, though it lies in the standard's domain. */
    norm(x: Float, weight: Float, epsilon: number): Float {
      const out = float("SimplifiedLayerNormalization");
      const attributes = { axis: { int: -1 }, epsilon: { float: epsilon }, stash_type: { int: 1 } };
      graph.emit("SimplifiedLayerNormalization", [x, weight], [out], attributes);
      return out;
    },
    /** `x + delta` and its RMS norm times `weight`. */
    addNorm(x: Float, delta: Float, weight: Float, epsilon: number): { sum: Float; normed: Float } {
      const [normed, sum] = [float("SkipSimplifiedLayerNormalization"), float("Sum")];
      const outputs = [normed, undefined, undefined, sum];
      graph.emit(
        "SkipSimplifiedLayerNormalization",
        [x, delta, weight],
        outputs,
        { epsilon: { float: epsilon } },
        RUNTIME_DOMAIN,
      );
      return { sum, normed };
    },
    /** The tanh form of GELU. */
    gelu(x: Float): Float {
      const out = float("FastGelu");
      graph.emit("FastGelu", [x], [out], {}, RUNTIME_DOMAIN);
      return out;
    },
    /** The product of `a - zeroPoint` and `b`, each column of it times its scale. */
    matMulScaled(a: Value<"uint8">, b: Value<"int8">, columnScales: Float, zeroPoint: Value<"uint8">): Float {
      const out = float("MatMulIntegerToFloat");
      graph.emit("MatMulIntegerToFloat", [a, b, graph.float(1), columnScales, zeroPoint], [out], {}, RUNTIME_DOMAIN);
      return out;
    },
    /** `x [..., in]` times 4-bit weights `[out, in]` transposed (codes and scales: q4-blocks.ts): `[..., out]`. */
    matMulBlocks(x: Float, codes: Value<"uint8">, scales: Float, [out, inner]: readonly [number, number]): Float {
      const product = float("MatMulNBits");
      const attributes = {
        K: { int: inner },
        N: { int: out },
        bits: { int: 4 },
        block_size: { int: BLOCK },
        accuracy_level: { int: ACCURACY_INT8 },
      };
      graph.emit("MatMulNBits", [x, codes, scales], [product], attributes, RUNTIME_DOMAIN);
      return product;
    },
    /** Attention without T5's missing division by sqrt(K): `[B, T, H*K]`, and with a past also what it has grown to. */
    attention(input: AttentionInputs): { context: Float; present?: { key: Float; value: Float } } {
      const { query, key, value, keyMask, bias, past, numHeads } = input;
      const context = float("MultiHeadAttention");
      const present = past && { key: float("present_key"), value: float("present_value") };
      graph.emit(
        "MultiHeadAttention",
        [query, key, value, undefined, keyMask, bias, ...(past === undefined ? [] : [past.key, past.value])],
        [context, ...(present === undefined ? [] : [present.key, present.value])],
        { num_heads: { int: numHeads }, scale: { float: 1 }, mask_filter_value: { float: PADDED } },
        RUNTIME_DOMAIN,
      );
      return { context, ...(present && { present }) };
    },
  };
}

export type RuntimeOps = ReturnType<typeof createRuntimeOps>;
