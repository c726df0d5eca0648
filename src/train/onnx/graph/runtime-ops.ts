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
  /** `[B, T, H*K]`, or `[B, H, S, K]` where they are another sequence's. */
  key: Float;
  value: Float;
  numHeads: number;
  /** `[B, S]`, 1 for real keys. */
  keyMask?: Value<"int32"> | undefined;
  /** `[1, H, T, S]`, added to the scores. */
  bias?: Float | undefined;
}

export interface RowAttentionInputs {
  /** `[B, T, H*K]`, as are key and value. */
  query: Float;
  key: Float;
  value: Float;
  numHeads: number;
  /** `[B, H, past, K]` each. */
  past: { key: Float; value: Float };
  /** `[B]`: the position of each row's last token of this run. */
  lastPositions: Value<"int32">;
  /** Positions of the longest row, this run's included; scalar. */
  totalLength: Value<"int32">;
  /** `[B, H, T, total]`, added to the scores. */
  bias: Float;
}

/** The operators as functions that append to `graph`. */
export function createRuntimeOps(graph: GraphBuilder) {
  const float = (opType: string): Float => graph.value("float32", opType);
  return {
    /** The RMS norm of `x` times `weight`. The operator is the runtime's own, though it lies in the standard's domain. */
    norm(x: Float, weight: Float, epsilon: number): Float {
      const out = float("SimplifiedLayerNormalization");
      const attributes = { axis: { int: -1 }, epsilon: { float: epsilon }, stash_type: { int: 1 } };
      graph.emit("SimplifiedLayerNormalization", [x, weight], [out], { attributes });
      return out;
    },
    /** `x + delta` and its RMS norm times `weight`. */
    addNorm(x: Float, delta: Float, weight: Float, epsilon: number): { sum: Float; normed: Float } {
      const [normed, sum] = [float("SkipSimplifiedLayerNormalization"), float("Sum")];
      const outputs = [normed, undefined, undefined, sum];
      graph.emit("SkipSimplifiedLayerNormalization", [x, delta, weight], outputs, {
        attributes: { epsilon: { float: epsilon } },
        domain: RUNTIME_DOMAIN,
      });
      return { sum, normed };
    },
    /** The tanh form of GELU. */
    gelu(x: Float): Float {
      const out = float("FastGelu");
      graph.emit("FastGelu", [x], [out], { domain: RUNTIME_DOMAIN });
      return out;
    },
    /** The product of `a - zeroPoint` and `b`, each column of it times its scale. */
    matMulScaled(a: Value<"uint8">, b: Value<"int8">, columnScales: Float, zeroPoint: Value<"uint8">): Float {
      const out = float("MatMulIntegerToFloat");
      graph.emit("MatMulIntegerToFloat", [a, b, graph.float(1), columnScales, zeroPoint], [out], {
        domain: RUNTIME_DOMAIN,
      });
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
      graph.emit("MatMulNBits", [x, codes, scales], [product], { attributes, domain: RUNTIME_DOMAIN });
      return product;
    },
    /**
     * Causal attention in which every row goes on from a length of its own: keys and values lie at the start of its part of the past, and
     * the new ones follow them. Nothing of a row depends on the others. As above without a division by sqrt(K).
     */
    rowAttention(input: RowAttentionInputs): { context: Float; present: { key: Float; value: Float } } {
      const { query, key, value, past, lastPositions, totalLength, bias, numHeads } = input;
      const context = float("GroupQueryAttention");
      const present = { key: float("present_key"), value: float("present_value") };
      const own = [query, key, value, past.key, past.value, lastPositions, totalLength];
      graph.emit(
        "GroupQueryAttention",
        [...own, undefined, undefined, undefined, bias],
        [context, present.key, present.value],
        {
          attributes: { num_heads: { int: numHeads }, kv_num_heads: { int: numHeads }, scale: { float: 1 } },
          domain: RUNTIME_DOMAIN,
        },
      );
      return { context, present };
    },
    /** Attention without T5's missing division by sqrt(K): `[B, T, H*K]`. */
    attention({ query, key, value, keyMask, bias, numHeads }: AttentionInputs): Float {
      const context = float("MultiHeadAttention");
      graph.emit("MultiHeadAttention", [query, key, value, undefined, keyMask, bias], [context], {
        attributes: { num_heads: { int: numHeads }, scale: { float: 1 }, mask_filter_value: { float: PADDED } },
        domain: RUNTIME_DOMAIN,
      });
      return context;
    },
  };
}

export type RuntimeOps = ReturnType<typeof createRuntimeOps>;
