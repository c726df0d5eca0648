// The matrices that an int8 export keeps in float32.

import { expect, test } from "vitest";
import { parseT5Config, type T5Config } from "../../../../src/shared/t5-config.ts";
import { EMBEDDING, HEAD, parameterSpecs } from "../../../../src/train/model/parameters.ts";
import { exactMatrices, floatMatrices } from "../../../../src/train/onnx/weights/int8-plan.ts";

const shapesOf = (config: T5Config, ownHead: boolean): Map<string, number[]> =>
  new Map(parameterSpecs(config, ownHead).map(({ name, shape }) => [name, shape]));

function kept(sizes: { vocab_size: number; d_model: number; d_ff: number; num_layers: number; num_heads: number }): {
  names: string[];
  share: number;
} {
  const config = parseT5Config({ ...sizes, d_kv: 32, feed_forward_proj: "gated-gelu", tie_word_embeddings: false });
  const shapes = shapesOf(config, true);
  const size = (names: Iterable<string>): number =>
    [...names].reduce((sum, name) => sum + (shapes.get(name) ?? []).reduce((product, dim) => product * dim, 1), 0);
  const floats = floatMatrices(HEAD, shapes);
  return { names: [...floats], share: size(floats) / size(shapes.keys()) };
}

test("a small model keeps embedding, head and its first encoder blocks, up to a third of its parameters", () => {
  const { names, share } = kept({ vocab_size: 288, d_model: 128, d_ff: 256, num_layers: 4, num_heads: 4 });
  expect(names.slice(0, 3)).toEqual([EMBEDDING, HEAD, "encoder.block.0.layer.0.SelfAttention.q.weight"]);
  expect(names).toContain("encoder.block.0.layer.1.DenseReluDense.wo.weight");
  expect(names.some((name) => name.startsWith("decoder."))).toBe(false);
  expect(share).toBeLessThanOrEqual(1 / 3);
  expect(share).toBeGreaterThan(0.3);
});

test("a model whose embedding is beyond the budget keeps nothing", () => {
  expect(kept({ vocab_size: 32128, d_model: 512, d_ff: 1024, num_layers: 8, num_heads: 6 }).names).toEqual([]);
});

test("norms and position biases are no matter of the plan", () => {
  const { names } = kept({ vocab_size: 288, d_model: 128, d_ff: 256, num_layers: 2, num_heads: 4 });
  expect(names.filter((name) => name.includes("norm") || name.includes("bias"))).toEqual([]);
});

test("a head that is the embedding is counted once", () => {
  const config = parseT5Config({ vocab_size: 8, d_model: 4, d_kv: 2, d_ff: 4, num_layers: 1, num_heads: 2 });
  // embedding 32, encoder 64 + 32, decoder 128 + 32: a third of 288 is 96
  expect([...floatMatrices(EMBEDDING, shapesOf(config, false))]).toEqual([
    EMBEDDING,
    ...["q", "k", "v", "o"].map((part) => `encoder.block.0.layer.0.SelfAttention.${part}.weight`),
  ]);
});

test("a model of up to 2^22 parameters stays float32 whole, a larger one is rounded", () => {
  // 2^11 * 2^11 = 2^22
  expect(exactMatrices(new Map([["a", [2048, 2048]]]))).toEqual(new Set(["a"]));
  expect(
    exactMatrices(
      new Map([
        ["a", [2048, 2048]],
        ["b", [1]],
      ]),
    ),
  ).toEqual(new Set());
});
