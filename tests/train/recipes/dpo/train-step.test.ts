// One optimizer step: accumulation, the figures it reports, and its memory, on a golden model with random weights.

import { beforeAll, describe, expect, test } from "vitest";
import { padRows } from "../../../../src/train/model/batch.ts";
import { completionLogps } from "../../../../src/train/model/logps.ts";
import { ADAMW_DEFAULTS, createAdamW } from "../../../../src/train/optim/adamw.ts";
import { applyGradients, globalNorm } from "../../../../src/train/optim/gradients.ts";
import { TRAIN_DEFAULTS } from "../../../../src/train/recipes/dpo/config.ts";
import type { ScoredPair } from "../../../../src/train/recipes/dpo/pair-loss.ts";
import { runMetrics } from "../../../../src/train/recipes/dpo/run-metrics.ts";
import { evaluatePairs, stepGradients } from "../../../../src/train/recipes/dpo/train-step.ts";
import { loadModel, type Model } from "../../../../src/train/store/model-folder.ts";
import { startTensorflow, type Tensor, tf } from "../../../../src/train/tensorflow/tensorflow.ts";
import { goldenDir } from "../../checks/parity/models.ts";
import { row } from "./token-rows.ts";

let model: Model;
beforeAll(async () => {
  await startTensorflow();
  model = await loadModel(goldenDir("t5-v1.1"));
});

const pairs: ScoredPair[] = Array.from({ length: 8 }, (_, i) => {
  const margin = [0.5, -0.25, 0.1, 0.05][i % 4] ?? 0;
  return {
    pair: { prompt: "p", chosen: "c", rejected: "r" },
    promptIds: row(i, 4 + i),
    chosenIds: row(i + 20, 12 - i),
    rejectedIds: row(i + 40, 3 + i),
    prefixLength: 0,
    chosenScore: 0.4 + margin,
    rejectedScore: 0.4,
    margin,
  };
});

/** Largest difference of a gradient's value, relative to the global norm. */
function gap(a: Record<string, Tensor>, b: Record<string, Tensor>): number {
  const differences = Object.entries(a).map(([name, gradient]) =>
    tf.max(tf.abs(tf.sub(gradient, b[name] ?? Number.NaN))),
  );
  return Math.max(...differences.map((d) => d.dataSync()[0] ?? Number.NaN)) / globalNorm(a);
}

describe("micro-batches", () => {
  test.each([
    ["8 of 1", pairs.map((pair) => [pair])],
    ["2 of 3 and one of 2", [pairs.slice(0, 3), pairs.slice(3, 6), pairs.slice(6)]],
  ])("%s give the gradients and the loss of one batch of 8", (_, microBatches) => {
    const whole = stepGradients(model.parameters, model.config, [pairs], TRAIN_DEFAULTS);
    const parts = stepGradients(model.parameters, model.config, microBatches, TRAIN_DEFAULTS);
    expect(Object.keys(parts.gradients)).toEqual(Object.keys(model.parameters));
    expect(gap(whole.gradients, parts.gradients)).toBeLessThan(1e-5);
    expect(parts.figures.loss).toBeCloseTo(whole.figures.loss, 4);
    expect(parts.figures).toMatchObject({ pairs: 8, tokens: whole.figures.tokens, preferred: whole.figures.preferred });
  });
});

describe("figures", () => {
  test("are those of each pair computed alone from its log-probs", () => {
    const sums = { loss: 0, chosen: 0, rejected: 0, preferred: 0 };
    for (const { promptIds, chosenIds, rejectedIds, margin } of pairs) {
      const logps = (ids: number[]): number =>
        tf.tidy(
          () =>
            completionLogps(model.parameters, model.config, {
              prompts: padRows([promptIds], 0),
              labels: [ids],
            }).sequenceLogps.dataSync()[0] ?? 0,
        );
      const [chosen, rejected] = [logps(chosenIds), logps(rejectedIds)];
      sums.loss += Math.log1p(Math.exp(-margin * (chosen - rejected)));
      sums.chosen += chosen;
      sums.rejected += rejected;
      sums.preferred += chosen > rejected ? 1 : 0;
    }
    const metrics = runMetrics(evaluatePairs(model.parameters, model.config, pairs, TRAIN_DEFAULTS), "eval_");
    expect(metrics.eval_loss).toBeCloseTo(sums.loss / 8, 4);
    expect(metrics["eval_logps/chosen"]).toBeCloseTo(sums.chosen / 8, 3);
    expect(metrics["eval_logps/rejected"]).toBeCloseTo(sums.rejected / 8, 3);
    expect(metrics["eval_logps/margins"]).toBeCloseTo((sums.chosen - sums.rejected) / 8, 3);
    expect(metrics["eval_logps/accuracies"]).toBe(sums.preferred / 8);
    expect(metrics["eval_scores/margins"]).toBeCloseTo(0.1, 9); // (0.5 - 0.25 + 0.1 + 0.05) / 4
  });

  test("count every real token of prompts and completions, EOS included", () => {
    const real = pairs.reduce(
      (n, pair) => n + pair.promptIds.length + pair.chosenIds.length + pair.rejectedIds.length,
      0,
    );
    expect(evaluatePairs(model.parameters, model.config, pairs, TRAIN_DEFAULTS).tokens).toBe(real);
  });

  test("beta multiplies the margin", () => {
    const doubled = pairs.map((pair) => ({ ...pair, margin: 2 * pair.margin }));
    const withBeta = evaluatePairs(model.parameters, model.config, pairs, { ...TRAIN_DEFAULTS, beta: 2 }).loss;
    expect(withBeta).toBeCloseTo(evaluatePairs(model.parameters, model.config, doubled, TRAIN_DEFAULTS).loss, 4);
  });
});

test("pairs whose margins are zero give no gradient", () => {
  const zero = pairs.map((pair) => ({ ...pair, margin: 0 }));
  const { gradients, figures } = stepGradients(model.parameters, model.config, [zero], TRAIN_DEFAULTS);
  expect(globalNorm(gradients)).toBe(0);
  expect(figures.loss / 8).toBeCloseTo(Math.LN2, 6);
});

test("a step against one pair makes its chosen side likelier and its rejected side less likely", () => {
  const parameters = Object.fromEntries(
    Object.entries(model.parameters).map(([name, tensor]) => [name, tf.clone(tensor)]),
  );
  const optimizer = createAdamW(parameters, ADAMW_DEFAULTS);
  const one = pairs.slice(0, 1);
  const before = evaluatePairs(optimizer.parameters(), model.config, one, TRAIN_DEFAULTS);
  const { gradients } = stepGradients(optimizer.parameters(), model.config, [one], TRAIN_DEFAULTS);
  applyGradients(optimizer, gradients, { maxGradNorm: 1, learningRate: 1e-4 });
  const after = evaluatePairs(optimizer.parameters(), model.config, one, TRAIN_DEFAULTS);
  expect(after.loss).toBeLessThan(before.loss);
  expect(after.chosenLogps - after.rejectedLogps).toBeGreaterThan(before.chosenLogps - before.rejectedLogps);
  optimizer.dispose();
});

test("the number of tensors is the same after every step", () => {
  const parameters = Object.fromEntries(
    Object.entries(model.parameters).map(([name, tensor]) => [name, tf.clone(tensor)]),
  );
  const before = tf.memory().numTensors - Object.keys(parameters).length;
  const optimizer = createAdamW(parameters, { ...ADAMW_DEFAULTS, weightDecay: 0.01 });
  const counts = [0, 1, 2, 3].map((i) => {
    const { gradients } = stepGradients(
      optimizer.parameters(),
      model.config,
      [pairs.slice(i, i + 2), pairs.slice(i + 2, i + 4)],
      TRAIN_DEFAULTS,
    );
    applyGradients(optimizer, gradients, { maxGradNorm: 1, learningRate: 1e-4 });
    evaluatePairs(optimizer.parameters(), model.config, pairs, TRAIN_DEFAULTS);
    return tf.memory().numTensors;
  });
  expect(new Set(counts).size).toBe(1);
  optimizer.dispose();
  expect(tf.memory().numTensors).toBe(before);
});
