// A micro-batch's loss and figures: shared prompts, step-level pairs, the reference, and the side that SFT leaves out; on a golden model
// with random weights.

import { beforeAll, describe, expect, test } from "vitest";
import { padRows } from "../../../../src/train/model/batch.ts";
import { completionLogps } from "../../../../src/train/model/logps.ts";
import { globalNorm } from "../../../../src/train/optim/gradients.ts";
import { resolveTrainConfig, TRAIN_DEFAULTS } from "../../../../src/train/recipes/dpo/config.ts";
import { distinctPrompts, type ScoredPair } from "../../../../src/train/recipes/dpo/pair-loss.ts";
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

function pairOf(prompt: number, completion: number, changes: Partial<ScoredPair> = {}): ScoredPair {
  return {
    pair: { prompt: "p", chosen: "c", rejected: "r" },
    promptIds: row(prompt, 4 + prompt),
    chosenIds: row(completion, 6 + completion),
    rejectedIds: row(completion + 40, 9 - completion),
    prefixLength: 0,
    chosenScore: 0.75,
    rejectedScore: 0.25,
    margin: 0.5,
    ...changes,
  };
}

function tokenLogps(promptIds: number[], ids: number[]): number[] {
  return tf.tidy(() => [
    ...completionLogps(model.parameters, model.config, {
      prompts: padRows([promptIds], 0),
      labels: [ids],
    }).tokenLogps.dataSync(),
  ]);
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

function gap(a: Record<string, Tensor>, b: Record<string, Tensor>): number {
  const differences = Object.entries(a).map(([name, gradient]) =>
    tf.max(tf.abs(tf.sub(gradient, b[name] ?? Number.NaN))),
  );
  return Math.max(...differences.map((d) => d.dataSync()[0] ?? Number.NaN)) / globalNorm(a);
}

describe("pairs of one prompt", () => {
  const pairs = [pairOf(0, 0), pairOf(1, 1), pairOf(0, 2), pairOf(0, 3)];

  test("name their prompt once, in order of appearance", () => {
    const { rows, rowOf } = distinctPrompts(pairs);
    expect(rows).toEqual([row(0, 4), row(1, 5)]);
    expect(rowOf).toEqual([0, 1, 0, 0]);
  });

  test("have in one batch the gradients and figures that they have alone", () => {
    const alone = stepGradients(
      model.parameters,
      model.config,
      pairs.map((pair) => [pair]),
      TRAIN_DEFAULTS,
    );
    const together = stepGradients(model.parameters, model.config, [pairs], TRAIN_DEFAULTS);
    expect(gap(alone.gradients, together.gradients)).toBeLessThan(1e-5);
    for (const [name, value] of Object.entries(alone.figures))
      expect(together.figures).toMatchObject({ [name]: expect.closeTo(value, 3) });
  });
});

test.each([{ lossType: "sigmoid", rpoAlpha: 0.5, referenceFree: true }, { lossType: "sft" }] as const)(
  "micro-batches of 1 and 3 give the gradients of one of 4: %j",
  (given) => {
    const settings = resolveTrainConfig({}, given);
    const pairs = [pairOf(0, 0), pairOf(1, 1), pairOf(2, 2), pairOf(3, 3)];
    const whole = stepGradients(model.parameters, model.config, [pairs], settings);
    const parts = stepGradients(model.parameters, model.config, [pairs.slice(0, 1), pairs.slice(1)], settings);
    expect(gap(whole.gradients, parts.gradients)).toBeLessThan(1e-5);
    expect(parts.figures.nll).toBeCloseTo(whole.figures.nll, 3);
  },
);

test("stepwise with a reference that is the policy itself starts at ln 2, whatever the margins", () => {
  const settings = resolveTrainConfig({}, { referenceFree: false });
  const pair = pairOf(0, 0);
  const reference = {
    chosen: total(tokenLogps(pair.promptIds, pair.chosenIds)),
    rejected: total(tokenLogps(pair.promptIds, pair.rejectedIds)),
  };
  const metrics = runMetrics(evaluatePairs(model.parameters, model.config, [{ ...pair, reference }], settings));
  expect(metrics.loss).toBeCloseTo(Math.LN2, 3);
});

describe("a step-level pair", () => {
  const prefix = row(7, 3).slice(0, -1); // three tokens, no EOS
  const stepPair = pairOf(1, 1, {
    chosenIds: [...prefix, ...row(1, 4)],
    rejectedIds: [...prefix, ...row(2, 5)],
    prefixLength: 3,
  });

  test("has log-probs over its continuation only, the decoder having read the prefix", () => {
    const { promptIds, chosenIds, rejectedIds } = stepPair;
    const metrics = runMetrics(evaluatePairs(model.parameters, model.config, [stepPair], TRAIN_DEFAULTS));
    expect(metrics["logps/chosen"]).toBeCloseTo(total(tokenLogps(promptIds, chosenIds).slice(3)), 3);
    expect(metrics["logps/rejected"]).toBeCloseTo(total(tokenLogps(promptIds, rejectedIds).slice(3)), 3);
  });

  test("beside pairs without a prefix is as it is alone", () => {
    const figures = (batch: ScoredPair[]): number =>
      evaluatePairs(model.parameters, model.config, batch, TRAIN_DEFAULTS).chosenLogps;
    expect(figures([pairOf(0, 0), stepPair])).toBeCloseTo(figures([pairOf(0, 0)]) + figures([stepPair]), 3);
  });

  test("counts its continuation's tokens alone where log-probs are means per token", () => {
    const { promptIds, chosenIds } = stepPair;
    const sft = resolveTrainConfig({}, { lossType: "sft" });
    const { loss } = runMetrics(evaluatePairs(model.parameters, model.config, [stepPair], sft));
    expect(loss).toBeCloseTo(-total(tokenLogps(promptIds, chosenIds).slice(3)) / 5, 4); // 4 tokens and EOS
  });
});

describe("with a reference", () => {
  const sigmoid = resolveTrainConfig({}, { lossType: "sigmoid", beta: 0.5 });
  const own = (pair: ScoredPair): ScoredPair => ({
    ...pair,
    reference: {
      chosen: total(tokenLogps(pair.promptIds, pair.chosenIds)),
      rejected: total(tokenLogps(pair.promptIds, pair.rejectedIds)),
    },
  });

  test("that is the policy itself all implicit rewards are 0 and the loss is ln 2", () => {
    const metrics = runMetrics(evaluatePairs(model.parameters, model.config, [own(pairOf(0, 0))], sigmoid));
    for (const name of ["rewards/chosen", "rewards/rejected", "rewards/margins"])
      expect(metrics[name]).toBeCloseTo(0, 3);
    expect(metrics.loss).toBeCloseTo(Math.LN2, 3);
  });

  test("2 less likely on the chosen side and 1 more on the other: rewards 1 and -0.5, the chosen side ahead", () => {
    const pair = own(pairOf(0, 0));
    const { chosen, rejected } = pair.reference ?? { chosen: 0, rejected: 0 };
    const moved = { ...pair, reference: { chosen: chosen - 2, rejected: rejected + 1 } };
    const metrics = runMetrics(evaluatePairs(model.parameters, model.config, [moved], sigmoid));
    expect(metrics["rewards/chosen"]).toBeCloseTo(1, 3);
    expect(metrics["rewards/rejected"]).toBeCloseTo(-0.5, 3);
    expect(metrics["rewards/margins"]).toBeCloseTo(1.5, 3);
    expect(metrics["rewards/accuracies"]).toBe(1);
    expect(metrics.loss).toBeCloseTo(Math.log1p(Math.exp(-1.5)), 3);
  });
});

test("without a reference there are no rewards, without scores no scores", () => {
  const bare = pairOf(0, 0, { chosenScore: undefined, rejectedScore: undefined });
  const names = Object.keys(runMetrics(evaluatePairs(model.parameters, model.config, [bare], TRAIN_DEFAULTS)));
  expect(names.filter((name) => /^(rewards|scores)/.test(name))).toEqual([]);
});

test("SFT trains without computing the rejected side, and evaluates both", () => {
  const sft = resolveTrainConfig({}, { lossType: "sft" });
  const pair = pairOf(0, 0);
  const { figures, gradients } = stepGradients(model.parameters, model.config, [[pair]], sft);
  expect(figures.tokens).toBe(pair.promptIds.length + pair.chosenIds.length);
  expect(Object.keys(runMetrics(figures))).toEqual([
    "loss",
    "logps/chosen",
    "scores/chosen",
    "scores/rejected",
    "scores/margins",
  ]);
  const evaluated = runMetrics(evaluatePairs(model.parameters, model.config, [pair], sft));
  expect(evaluated.loss).toBeCloseTo(runMetrics(figures).loss ?? Number.NaN, 4);
  expect(evaluated).toHaveProperty(["logps/margins"]);
  tf.dispose(gradients);
});

test("the SFT term is logged as nll_loss: minus the chosen side's mean log-prob per token", () => {
  const pair = pairOf(0, 0);
  const metrics = runMetrics(
    evaluatePairs(model.parameters, model.config, [pair], { ...TRAIN_DEFAULTS, rpoAlpha: 0.5 }),
  );
  const logps = tokenLogps(pair.promptIds, pair.chosenIds);
  expect(metrics.nll_loss).toBeCloseTo(-total(logps) / logps.length, 4);
  const without = runMetrics(evaluatePairs(model.parameters, model.config, [pair], TRAIN_DEFAULTS));
  expect(metrics.loss).toBeCloseTo((without.loss ?? 0) + 0.5 * (metrics.nll_loss ?? 0), 4);
});
