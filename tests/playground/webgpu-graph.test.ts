// The graphs that WebGPU is given say what the exported ones say, which are tested against PyTorch: both in onnxruntime on the processor.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { closeModel, loadModel, type Model } from "../../src/edge/engine/model.ts";
import type { Runtime } from "../../src/edge/engine/runtime.ts";
import {
  allLogits,
  cacheNames,
  decoderOutputs,
  decodeStep,
  encodeSources,
  repeatSource,
} from "../../src/edge/engine/t5.ts";
import { forWebGpu } from "../../src/playground/local/gpu/webgpu-graph.ts";
import { folderStore } from "../../src/serve/folder-store.ts";
import { createNodeRuntime } from "../../src/serve/node-runtime.ts";
import { createRng } from "../../src/shared/rng.ts";
import { exportTinyModel, type TinyWeights } from "../runtime/tiny-model.ts";

const nodeRuntime = createNodeRuntime(1);
const edited: Runtime = {
  ...nodeRuntime,
  createSession: (bytes, where, weights) => nodeRuntime.createSession(forWebGpu(bytes, where), where, weights),
};
const SOURCES = [
  [20, 31, 42, 53, 24, 35, 46, 57, 28],
  [20, 31, 42, 5],
];
/** Longer than what WebGPU's fused attention reads in one piece. */
const TARGET = Array.from({ length: 40 }, (_, at) => (at === 0 ? 0 : 20 + ((at * 7) % 40)));

function expectSame(actual: Float32Array, expected: Float32Array): void {
  expect(actual.length).toBe(expected.length);
  const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const gap = actual.reduce((most, value, at) => Math.max(most, Math.abs(value - (expected[at] ?? Number.NaN))), 0);
  expect(gap).toBeLessThan(1e-5 * Math.max(1, scale));
}

describe.each<TinyWeights>(["t5-v1.1", "t5-v1.0", "umt5"])("%s", (weights) => {
  let tiny: Awaited<ReturnType<typeof exportTinyModel>>;
  let exported: Model;
  let forGpu: Model;

  beforeAll(async () => {
    tiny = await exportTinyModel(weights, { lean: true });
    const store = folderStore({ model: tiny.dir });
    exported = await loadModel(store, "model", "int8", nodeRuntime);
    forGpu = await loadModel(store, "model", "int8", edited);
  });
  afterAll(async () => {
    await closeModel(exported);
    await closeModel(forGpu);
    await tiny.remove();
  });
  const both = async (what: (model: Model) => Promise<Float32Array>) =>
    expectSame(await what(forGpu), await what(exported));

  test("a whole target at once, sources of two lengths beside each other", () =>
    both(async (model) => allLogits(model, await encodeSources(model, SOURCES), [...TARGET, ...TARGET])));

  test("steps through the cache, candidates of one source", () =>
    both(async (model) => {
      const encoded = repeatSource(model, await encodeSources(model, SOURCES.slice(0, 1)), 2);
      const first = await decodeStep(model, encoded, [0, 0]);
      const second = await decodeStep(model, encoded, [30, 41], first.cache);
      return (await decodeStep(model, encoded, [22, 23], second.cache)).logits;
    }));

  test("rows whose pasts have different lengths, in a cache with room to spare", () =>
    both(async (model) => {
      const { numHeads, dKv } = model.config;
      const rng = createRng(3);
      const encoded = await encodeSources(model, SOURCES);
      const room = 9;
      const past = cacheNames(model.config, ["decoder"]).map(({ past: name }) => {
        const values = Float32Array.from({ length: 2 * numHeads * room * dKv }, () => rng.next() - 0.5);
        return [name, model.runtime.float32(values, [2, numHeads, room, dKv])] as const;
      });
      const states = { ...encoded.states, ...Object.fromEntries(past) };
      const input = { inputIds: [30, 41], pastLengths: [6, 2], mask: encoded.mask, states };
      const names = cacheNames(model.config, ["decoder"]).map(({ present }) => present);
      const { logits, outputs } = await decoderOutputs(model, input, names);
      // of the cache, what a later step reads: each row up to its end
      const kept = outputs.flatMap((value) => {
        const all = model.runtime.readFloat32(value);
        return [7, 3].flatMap((length, row) =>
          Array.from({ length: numHeads }, (_, head) => {
            const start = (row * numHeads + head) * room * dKv;
            return [...all.subarray(start, start + length * dKv)];
          }).flat(),
        );
      });
      return Float32Array.from([...logits, ...kept]);
    }));

  test("a graph with an operator that WebGPU lacks is refused by its name", async () => {
    const bytes = await readFile(join(tiny.dir, "onnx/decoder_model_merged_quantized.onnx"));
    expect(() => forWebGpu(bytes, "model/decoder")).toThrow(/WebGPU has no (Round|MatMulInteger), .*model\/decoder/);
  });
});
