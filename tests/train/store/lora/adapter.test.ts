// Adapters against Python's peft on a golden model: its file is read, its log-probs and gradients are met; and the three ways to compute
// with an adapter (beside the base, merged into it, with recomputed blocks) agree.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { stepwiseDpoLoss } from "../../../../src/train/loss/stepwise.ts";
import { padRows } from "../../../../src/train/model/batch.ts";
import { type CompletionLogpsOptions, completionLogps } from "../../../../src/train/model/logps.ts";
import type { Parameters } from "../../../../src/train/model/parameters.ts";
import { globalNorm, valueAndGradients } from "../../../../src/train/optim/gradients.ts";
import {
  type Adapter,
  createAdapter,
  frozenParameters,
  loadAdapter,
} from "../../../../src/train/store/lora/adapter.ts";
import { loadModel, type Model } from "../../../../src/train/store/model-folder.ts";
import { startTensorflow, type Tensor, type Tensor1D, tf } from "../../../../src/train/tensorflow/tensorflow.ts";
import { goldenDir } from "../../checks/parity/models.ts";

const LORA_DIR = fileURLToPath(new URL("../../../golden/t5-v1.1-lora", import.meta.url));
const rows = z.array(z.array(z.number()));
const numbers = z.array(z.number());
const readGolden = (dir: string): unknown => JSON.parse(readFileSync(`${dir}/golden.json`, "utf8"));
const batch = z
  .object({ prompts: rows, chosen: rows, rejected: rows, score_margin: numbers })
  .parse(readGolden(goldenDir("t5-v1.1")));
const golden = z
  .object({
    chosenLogps: numbers,
    rejectedLogps: numbers,
    loss: z.number(),
    gradNorm: z.number(),
    gradNorms: z.record(z.string(), z.number()),
    gradient: z.record(z.string(), numbers),
  })
  .parse(readGolden(LORA_DIR));

let base: Model;
let merged: Model;
let adapter: Adapter;
let frozen: Parameters;
beforeAll(async () => {
  await startTensorflow();
  base = await loadModel(goldenDir("t5-v1.1"));
  merged = await loadModel(LORA_DIR);
  adapter = await loadAdapter(LORA_DIR, base.config);
  frozen = frozenParameters(base.parameters, adapter.settings);
});
afterAll(() => tf.dispose([frozen, merged.parameters, adapter.parameters]));

function sequenceLogps(p: Parameters, options: CompletionLogpsOptions = {}): Tensor1D {
  const labels = [...batch.chosen, ...batch.rejected];
  return completionLogps(p, base.config, { prompts: padRows(batch.prompts, 0), labels }, options).sequenceLogps;
}
const valuesOf = (p: Parameters): number[] => tf.tidy(() => [...sequenceLogps(p).dataSync()]);

function loss(p: Parameters, options: CompletionLogpsOptions = {}): Tensor {
  const logps = sequenceLogps(p, options);
  const count = batch.chosen.length;
  const [chosen, rejected] = [tf.slice(logps, 0, count) as Tensor1D, tf.slice(logps, count, count) as Tensor1D];
  return stepwiseDpoLoss(chosen, rejected, tf.tensor1d(batch.score_margin));
}

/** Largest difference, relative to the largest value. */
function gap(actual: readonly number[], expected: readonly number[]): number {
  expect(actual).toHaveLength(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  return Math.max(...actual.map((value, i) => Math.abs(value - (expected[i] ?? Number.NaN)))) / largest;
}
const gradientGap = (a: Record<string, Tensor>, b: Record<string, Tensor>): number => {
  const differences = Object.entries(b).map(([name, gradient]) =>
    tf.max(tf.abs(tf.sub(a[name] ?? Number.NaN, gradient))),
  );
  return Math.max(...differences.map((difference) => difference.dataSync()[0] ?? Number.NaN)) / globalNorm(b);
};

describe("an adapter that peft wrote", () => {
  test("gives peft's log-probs beside its base", () => {
    const expected = [...golden.chosenLogps, ...golden.rejectedLogps];
    expect(gap(valuesOf({ ...frozen, ...adapter.parameters }), expected)).toBeLessThan(1e-5);
  });

  test("gives the same log-probs merged into its base, and other ones than the base alone", () => {
    const beside = valuesOf({ ...frozen, ...adapter.parameters });
    expect(gap(valuesOf(merged.parameters), beside)).toBeLessThan(1e-5);
    expect(gap(valuesOf(base.parameters), beside)).toBeGreaterThan(1e-3);
  });

  test("gets peft's loss and gradients, and none for the base", () => {
    const { value, gradients } = valueAndGradients((p) => loss(p), adapter.parameters, frozen);
    expect(value.dataSync()[0]).toBeCloseTo(golden.loss, 4);
    expect(Object.keys(gradients).sort()).toEqual(Object.keys(adapter.parameters).sort());
    expect(Math.abs(globalNorm(gradients) / golden.gradNorm - 1)).toBeLessThan(1e-4);
    for (const [name, tensor] of Object.entries(gradients)) {
      const norm = golden.gradNorms[`base_model.model.${name}`] ?? Number.NaN;
      expect(Math.abs(globalNorm({ [name]: tensor }) / norm - 1), name).toBeLessThan(1e-3);
    }
    for (const [name, values] of Object.entries(golden.gradient)) {
      const own = gradients[name.replace("base_model.model.", "")];
      // peft's matrices are the transposes
      expect(gap([...tf.transpose(own ?? tf.scalar(0)).dataSync()], values), name).toBeLessThan(1e-3);
    }
    tf.dispose([value, gradients]);
  });
});

describe("recomputed blocks", () => {
  const options = { gradientCheckpointing: true };

  test("give the same loss and gradients of all weights", () => {
    const plain = valueAndGradients((p) => loss(p), base.parameters);
    const again = valueAndGradients((p) => loss(p, options), base.parameters);
    expect(again.value.dataSync()[0]).toBeCloseTo(plain.value.dataSync()[0] ?? Number.NaN, 5);
    expect(gradientGap(again.gradients, plain.gradients)).toBeLessThan(1e-5);
    tf.dispose([plain.value, plain.gradients, again.value, again.gradients]);
  });

  test("give the same gradients of an adapter", () => {
    const plain = valueAndGradients((p) => loss(p), adapter.parameters, frozen);
    const again = valueAndGradients((p) => loss(p, options), adapter.parameters, frozen);
    expect(gradientGap(again.gradients, plain.gradients)).toBeLessThan(1e-5);
    tf.dispose([plain.value, plain.gradients, again.value, again.gradients]);
  });

  test("leave no tensor behind", () => {
    const once = (): number => {
      const { value, gradients } = valueAndGradients((p) => loss(p, options), adapter.parameters, frozen);
      tf.dispose([value, gradients]);
      return tf.memory().numTensors;
    };
    expect(once()).toBe(once());
  });
});

describe("a fresh adapter", () => {
  const settings = { rank: 4, alpha: 8, targets: ["q", "v"], seed: 3 };

  test("changes nothing: B is zero", () => {
    const fresh = createAdapter(base.config, settings);
    const own = frozenParameters(base.parameters, fresh.settings);
    expect(gap(valuesOf({ ...own, ...fresh.parameters }), valuesOf(base.parameters))).toBeLessThan(1e-6);
    tf.dispose(fresh.parameters);
  });

  test("has A within 1/sqrt(in), spread evenly, the same from the same seed", () => {
    const [one, two] = [createAdapter(base.config, settings), createAdapter(base.config, settings)];
    const name = "encoder.block.0.layer.0.SelfAttention.q.lora_A.weight";
    const a = [...(one.parameters[name]?.dataSync() ?? [])];
    expect(a).toHaveLength(32 * 4); // d_model 32, rank 4
    expect(Math.max(...a.map(Math.abs))).toBeLessThan(32 ** -0.5);
    const deviation = Math.sqrt(a.reduce((sum, value) => sum + value * value, 0) / a.length);
    expect(deviation * Math.sqrt(3 * 32)).toBeGreaterThan(0.85); // U(-b, b) has deviation b / sqrt(3)
    expect(deviation * Math.sqrt(3 * 32)).toBeLessThan(1.15);
    expect([...(two.parameters[name]?.dataSync() ?? [])]).toEqual(a);
    tf.dispose([one.parameters, two.parameters]);
  });

  test("is refused for a projection that the model does not have", () => {
    expect(() => createAdapter(base.config, { ...settings, targets: ["q", "wi"] })).toThrow(
      'this model has no projection "wi" (--target). Give some of q, k, v, o, wi_0, wi_1, wo.',
    );
    expect(() => createAdapter(base.config, { ...settings, targets: [] })).toThrow("no target was given");
  });
});
