// 4-bit weights: the matrices of encoder and decoder blocks in MatMulNBits, everything else as in int8, the float32 front included
// (int8-plan.ts). The embedding and the head have 8 bits: with 4 the logits of the model that ships are half as far off again, and
// WebAssembly unpacks a 4-bit matrix at every call, for a head of 32,000 rows 40 ms a token (docs/export.md).

import type { GraphBuilder, Value } from "../graph/graph-builder.ts";
import { BLOCK, type Blocks, quantizeBlocks } from "../graph/q4-blocks.ts";
import { createRuntimeOps } from "../graph/runtime-ops.ts";
import { bytesOf } from "../graph/tensor-bytes.ts";
import { createInt8Layers, type MixedActivation } from "./int8-layers.ts";
import type { Layers, WeightSource } from "./layers.ts";

/** Layers of 4-bit matrices but for `floats`; a matrix whose rows are not whole blocks of 32 is int8. */
export function createQ4Layers(
  graph: GraphBuilder,
  weights: WeightSource,
  floats: ReadonlySet<string>,
): Layers<MixedActivation> {
  const int8 = createInt8Layers(graph, weights, floats);
  const { matMulBlocks } = createRuntimeOps(graph);
  let last: { name: string; blocks: Blocks } | undefined; // codes and scales of a matrix are asked for in turn
  const blocksOf = async (name: string): Promise<Blocks> => {
    if (last?.name !== name) last = { name, blocks: quantizeBlocks(await weights.read(name)) };
    return last.blocks;
  };
  const codes = (name: string): Value<"uint8"> => {
    const [out, inner] = weights.shape(name);
    const shape = [out, inner / BLOCK, BLOCK / 2];
    return graph.weight({ name: `${name}_q4`, type: "uint8", shape, load: async () => (await blocksOf(name)).codes });
  };
  const scales = (name: string): Value<"float32"> => {
    const [out, inner] = weights.shape(name);
    const load = async (): Promise<Uint8Array> => bytesOf((await blocksOf(name)).scales);
    return graph.weight({ name: `${name}_q4_scale`, type: "float32", shape: [out, inner / BLOCK], load });
  };
  return {
    ...int8,
    linear(x, name) {
      const shape = weights.shape(name);
      if (floats.has(name) || shape[1] % BLOCK !== 0) return int8.linear(x, name);
      return matMulBlocks(x.float, codes(name), scales(name), shape);
    },
  };
}
