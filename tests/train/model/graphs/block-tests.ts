// T5's blocks as graphs against the same blocks operation by operation, whose gradients finite differences check.

import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { padRows } from "../../../../src/train/model/batch.ts";
import { completionLogps } from "../../../../src/train/model/logps.ts";
import { loraB, type Parameters } from "../../../../src/train/model/parameters.ts";
import { globalNorm, valueAndGradients } from "../../../../src/train/optim/gradients.ts";
import { createAdapter, frozenParameters } from "../../../../src/train/store/lora/adapter.ts";
import { loadModel, type Model } from "../../../../src/train/store/model-folder.ts";
import { type Backend, startTensorflow, type Tensor, tf } from "../../../../src/train/tensorflow/tensorflow.ts";
import { goldenDir } from "../../checks/parity/models.ts";

const rows = z.array(z.array(z.number()));
const batchOf = (dir: string) =>
  z
    .object({ prompts: rows, chosen: rows, rejected: rows })
    .parse(JSON.parse(readFileSync(`${dir}/golden.json`, "utf8")));

/** Sum of all log-probs, weighted so that no two rows pull alike, and its gradients. */
function computed(
  model: Model,
  parameters: Parameters,
  { frozen = {}, ...options }: { frozen?: Parameters; blockGraphs?: boolean; gradientCheckpointing?: boolean },
): { value: number; gradients: Record<string, Tensor> } {
  const { prompts, chosen, rejected } = batchOf(model.dir);
  const labels = [...chosen, ...rejected];
  const weights = labels.map((_, i) => 1 - 0.3 * i);
  const loss = (p: Parameters): Tensor => {
    const { sequenceLogps } = completionLogps(p, model.config, { prompts: padRows(prompts, 0), labels }, options);
    return tf.sum(tf.mul(sequenceLogps, weights));
  };
  const { value, gradients } = valueAndGradients(loss, parameters, frozen);
  return { value: value.dataSync()[0] ?? Number.NaN, gradients };
}

/** Largest difference between gradients over the norm of all of them. */
function gap(actual: Record<string, Tensor>, expected: Record<string, Tensor>): number {
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  const norm = globalNorm(expected);
  return Math.max(
    ...Object.entries(expected).map(([name, gradient]) => {
      const difference = tf.max(tf.abs(tf.sub(actual[name] ?? Number.NaN, gradient)));
      return (difference.dataSync()[0] ?? Number.NaN) / norm;
    }),
  );
}

/** The tests on one backend, which this process must not have chosen otherwise. */
export function testBlocks(backend: Backend, isInstalled: boolean): void {
  describe.skipIf(!isInstalled).each(["t5-v1.1", "t5-v1.0", "umt5"] as const)("blocks of %s as graphs", (name) => {
    let model: Model;
    beforeAll(async () => {
      await startTensorflow(backend);
      model = await loadModel(goldenDir(name));
    });
    afterAll(() => tf.dispose(model.parameters));

    test("give the value and the gradients of the operations one by one", () => {
      const plain = computed(model, model.parameters, { blockGraphs: false });
      const graphs = computed(model, model.parameters, {});
      expect(Math.abs(graphs.value / plain.value - 1)).toBeLessThan(1e-6);
      expect(gap(graphs.gradients, plain.gradients)).toBeLessThan(1e-5);
      const recomputed = computed(model, model.parameters, { gradientCheckpointing: true });
      expect(recomputed.value).toBe(graphs.value);
      expect(gap(recomputed.gradients, plain.gradients)).toBeLessThan(1e-5);
    });

    test("give an adapter's gradients, and those alone", () => {
      const settings = { rank: 2, alpha: 4, targets: ["q", "v", "o", "wo"], rankStabilized: false };
      const { parameters } = createAdapter(model.config, { ...settings, seed: 1 });
      // B is zero at first, and A then has no gradient
      const moved = Object.fromEntries(
        Object.entries(parameters).map(([key, tensor], i) =>
          key.endsWith(loraB("")) ? [key, tf.randomNormal(tensor.shape, 0, 0.1, "float32", i)] : [key, tensor],
        ),
      );
      const frozen = frozenParameters(model.parameters, settings);
      const plain = computed(model, moved, { frozen, blockGraphs: false });
      const graphs = computed(model, moved, { frozen });
      expect(Math.abs(graphs.value / plain.value - 1)).toBeLessThan(1e-6);
      expect(gap(graphs.gradients, plain.gradients)).toBeLessThan(1e-5);
    });

    test("leave no tensor behind", () => {
      const before = tf.memory().numTensors;
      const { gradients } = computed(model, model.parameters, {});
      tf.dispose(gradients);
      expect(tf.memory().numTensors).toBeLessThanOrEqual(before + 1); // the value
    });
  });
}
