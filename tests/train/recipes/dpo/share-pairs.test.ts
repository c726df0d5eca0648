// Pairs of a step over several workers: who gets which, and that gradients and weights are those of one worker.

import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import type { Parameters } from "../../../../src/train/model/parameters.ts";
import { ADAMW_DEFAULTS, createAdamW } from "../../../../src/train/optim/adamw.ts";
import { applyGradients, globalNorm } from "../../../../src/train/optim/gradients.ts";
import { resolveTrainConfig } from "../../../../src/train/recipes/dpo/config.ts";
import type { ScoredPair } from "../../../../src/train/recipes/dpo/pair-loss.ts";
import { pairWork, sharePairs, startPairGradients } from "../../../../src/train/recipes/dpo/share-pairs.ts";
import { loadModel, type Model } from "../../../../src/train/store/model-folder.ts";
import { startTensorflow, type Tensor, tf } from "../../../../src/train/tensorflow/tensorflow.ts";
import { goldenDir } from "../../checks/parity/models.ts";
import { row } from "./token-rows.ts";

let model: Model;
beforeAll(async () => {
  await startTensorflow();
  model = await loadModel(goldenDir("t5-v1.1"));
});

/** Tokens: prompt + 1, chosen + 1, rejected + 1. */
function pairOf(seed: number, prompt: number, chosen: number, rejected: number): ScoredPair {
  return {
    pair: { prompt: "p", chosen: "c", rejected: "r" },
    promptIds: row(seed, prompt),
    chosenIds: row(seed + 20, chosen),
    rejectedIds: row(seed + 40, rejected),
    prefixLength: 0,
    margin: [0.5, -0.25, 0.1, 0.05][seed % 4] ?? 0,
  };
}

const pairs = Array.from({ length: 7 }, (_, i) => pairOf(i, 4 + i, 12 - i, 3 + i));

test("the longest pair goes first, each to the worker with the fewest tokens", () => {
  // tokens by place: 4 9 5 7 4 6. 9 to A, 7 to B, 6 to B (13), 5 to A (14), 4 to B (17), 4 to A (18)
  const six = [1, 6, 2, 4, 1, 3].map((chosen, i) => pairOf(i, 0, chosen, 0));
  const places = sharePairs([six], 2, 2).map((batches) => batches.map((batch) => batch.map((p) => six.indexOf(p))));
  const [a, b] = [
    [[1, 2], [4]],
    [[0, 3], [5]],
  ];
  expect(places).toEqual([a, b]);
});

test("every pair is shared out once, in batches no larger than asked; one worker keeps the batches", () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 4 }), (lengths, workers, size) => {
      const all = lengths.map((length, i) => pairOf(i, length, 2, 2));
      const batches = Array.from({ length: Math.ceil(all.length / size) }, (_, i) =>
        all.slice(i * size, (i + 1) * size),
      );
      const shares = sharePairs(batches, workers, size);
      expect(shares.flat(2).toSorted((a, b) => all.indexOf(a) - all.indexOf(b))).toEqual(all);
      expect(shares).toHaveLength(Math.min(workers, all.length));
      expect(Math.max(...shares.flat().map((batch) => batch.length))).toBeLessThanOrEqual(size);
      if (workers === 1) expect(shares).toEqual([batches]);
    }),
  );
});

test("two workers give the gradients and figures of one, and after four steps its weights", async () => {
  const config = resolveTrainConfig(undefined, { perDeviceTrainBatchSize: 4, gradientAccumulationSteps: 2 });
  const steps = [pairs, pairs.slice(1), pairs.slice(0, 3), pairs.slice(2, 3)].map((all) => [
    all.slice(0, 4),
    all.slice(4),
  ]);
  const frozen = Object.fromEntries(Object.entries(model.parameters).filter(([name]) => name.includes("layer_norm")));
  const own = Object.entries(model.parameters).filter(([name]) => !(name in frozen));
  const valuesOf = (tensors: Parameters): number[] =>
    Object.values(tensors).flatMap((tensor) => Array.from(tensor.dataSync()));
  const train = async (workers: number) => {
    const optimizer = createAdamW(
      Object.fromEntries(own.map(([name, tensor]) => [name, tf.clone(tensor)])),
      ADAMW_DEFAULTS,
    );
    const trained = optimizer.parameters();
    const parallel = startPairGradients({ processes: workers, config: model.config, trained, frozen });
    const seen: { norm: number; gradients: Record<string, Tensor>; loss: number; pairs: number }[] = [];
    try {
      for (const batches of steps) {
        const work = pairWork(
          batches.filter((batch) => batch.length > 0),
          workers,
          config,
        );
        const { gradients, figures } = await parallel.gradients(optimizer.parameters(), work);
        const kept = Object.fromEntries(Object.entries(gradients).map(([name, tensor]) => [name, tf.clone(tensor)]));
        const norm = applyGradients(optimizer, gradients, { maxGradNorm: 1, learningRate: 1e-3 });
        seen.push({ norm, gradients: kept, loss: figures.loss, pairs: figures.pairs });
      }
      return { seen, weights: valuesOf(optimizer.parameters()) };
    } finally {
      parallel.stop();
      optimizer.dispose();
    }
  };
  const before = valuesOf(Object.fromEntries(own));
  const [one, two] = [await train(1), await train(2)];
  expect(Object.keys(one.seen[0]?.gradients ?? {})).toEqual(own.map(([name]) => name));
  for (const [i, step] of one.seen.entries()) {
    const other = two.seen[i];
    expect(other?.pairs).toBe(step.pairs);
    expect(other?.loss).toBeCloseTo(step.loss, 3);
    expect(Math.abs((other?.norm ?? Number.NaN) / step.norm - 1)).toBeLessThan(1e-4);
  }
  const [first, firstOther] = [one.seen[0]?.gradients ?? {}, two.seen[0]?.gradients ?? {}];
  const apart = tf.tidy(() =>
    globalNorm(Object.fromEntries(Object.entries(first).map(([name, g]) => [name, tf.sub(g, firstOther[name] ?? g)]))),
  );
  expect(apart / globalNorm(first)).toBeLessThan(1e-6);
  const distance = (a: number[], b: number[]): number =>
    Math.hypot(...a.map((value, i) => value - (b[i] ?? Number.NaN)));
  // AdamW divides by the gradient's size: where that is nothing but rounding, a weight may move either way
  expect(distance(one.weights, two.weights) / distance(one.weights, before)).toBeLessThan(1e-3);
});
