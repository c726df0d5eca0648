// The losses put together from a run's settings: what enters them, by hand, and their gradients against finite differences.

import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { type PairBatch, preferenceLoss } from "../../../src/train/loss/preference-loss.ts";
import type { LossSettings } from "../../../src/train/loss/settings.ts";
import { stepwiseDpoLoss } from "../../../src/train/loss/stepwise.ts";
import { resolveTrainConfig, TRAIN_DEFAULTS, type TrainSettings } from "../../../src/train/recipes/dpo/config.ts";
import { startTensorflow, tf } from "../../../src/train/tensorflow/tensorflow.ts";

beforeAll(async () => {
  await startTensorflow();
});

interface Numbers {
  policy: { chosen: number[]; rejected: number[] };
  reference?: { chosen: number[]; rejected: number[] };
  lengths?: { chosen: number[]; rejected: number[] };
  margins?: number[];
}

function batchOf({ policy, reference, lengths, margins }: Numbers): PairBatch {
  const sides = (of: { chosen: number[]; rejected: number[] }) => ({
    chosen: tf.tensor1d(of.chosen),
    rejected: tf.tensor1d(of.rejected),
  });
  const ones = policy.chosen.map(() => 1);
  return {
    policy: sides(policy),
    reference: reference && sides(reference),
    lengths: sides(lengths ?? { chosen: ones, rejected: ones }),
    scoreMargins: tf.tensor1d(margins ?? ones),
  };
}

function loss(numbers: Numbers, settings: LossSettings): number {
  return tf.tidy(() => preferenceLoss(batchOf(numbers), settings).loss.dataSync()[0] ?? Number.NaN);
}

const settings = (of: TrainSettings): LossSettings => resolveTrainConfig(undefined, of);

// chosen: -6 over 3 tokens, 3 above the reference; rejected: -8 over 2 tokens, 4 below it
const numbers: Numbers = {
  policy: { chosen: [-6], rejected: [-8] },
  reference: { chosen: [-9], rejected: [-4] },
  lengths: { chosen: [3], rejected: [2] },
  margins: [0.5],
};

const { reference: _, ...withoutReference } = numbers;

describe("by hand", () => {
  test("stepwise, the default: margin 0.5 times -6 + 8 is 1, which costs 0.3132617", () => {
    expect(loss(withoutReference, TRAIN_DEFAULTS)).toBeCloseTo(0.3132617, 6);
  });

  test("sigmoid: the log-ratio 3 + 4 = 7 at beta 1/7 is 1", () => {
    expect(loss(numbers, settings({ lossType: "sigmoid", beta: 1 / 7 }))).toBeCloseTo(0.3132617, 6);
  });

  test("sigmoid per token: 3 / 3 + 4 / 2 = 3 at beta 1/3 is 1", () => {
    const normalized = settings({ lossType: "sigmoid", beta: 1 / 3, lengthNormalization: true });
    expect(loss(numbers, normalized)).toBeCloseTo(0.3132617, 6);
  });

  test("IPO per token, as TRL: (3 - 5)^2 = 4 at beta 0.1; with sums, as its paper: (7 - 5)^2", () => {
    expect(loss(numbers, settings({ lossType: "ipo" }))).toBeCloseTo(4, 5);
    const sums = settings({ lossType: "ipo", lengthNormalization: false, beta: 0.05 });
    expect(loss(numbers, sums)).toBeCloseTo(9, 5); // (7 - 10)^2
  });

  test("hinge: 1 - 7 / 14 = 0.5", () => {
    expect(loss(numbers, settings({ lossType: "hinge", beta: 1 / 14 }))).toBeCloseTo(0.5, 6);
  });

  test("robust: label smoothing 0.1 takes 0.125 off", () => {
    const robust = settings({ lossType: "robust", beta: 1 / 7, labelSmoothing: 0.1 });
    expect(loss(numbers, robust)).toBeCloseTo(0.1882617, 6);
  });

  test("SimPO: -2 + 4 = 2 a token, beta 2, gamma 3: a logit of 1", () => {
    const simpo = settings({ lossType: "simpo", simpoGamma: 3 });
    expect(loss(withoutReference, simpo)).toBeCloseTo(0.3132617, 6);
  });

  test("SFT: 6 / 3 = 2 a token, or 6 the sum", () => {
    expect(loss(numbers, settings({ lossType: "sft" }))).toBeCloseTo(2, 6);
    expect(loss(numbers, settings({ lossType: "sft", lengthNormalization: false }))).toBeCloseTo(6, 6);
  });

  test("the SFT term: 0.3132617 + 0.5 * 2", () => {
    const withSft = settings({ lossType: "sigmoid", beta: 1 / 7, rpoAlpha: 0.5 });
    expect(loss(numbers, withSft)).toBeCloseTo(1.3132617, 6);
  });

  test("the margin 0.5 as an offset with alpha 2, 7 * 2/7 - 1 = 1; as a weight, 0.5 * 0.3132617", () => {
    const offset = settings({ lossType: "sigmoid", beta: 2 / 7, marginRole: "offset", odpoAlpha: 2 });
    expect(loss(numbers, offset)).toBeCloseTo(0.3132617, 6);
    const weight = settings({ lossType: "sigmoid", beta: 1 / 7, marginRole: "weight", marginMode: "clamp" });
    expect(loss(numbers, weight)).toBeCloseTo(0.1566308, 6);
  });
});

const logp = fc.float({ min: -30, max: 0, noNaN: true });

test("the defaults are the published loss, to the last bit", () => {
  fc.assert(
    fc.property(logp, logp, fc.float({ min: -1, max: 1, noNaN: true }), (chosen, rejected, margin) => {
      const published = tf.tidy(
        () => stepwiseDpoLoss(tf.tensor1d([chosen]), tf.tensor1d([rejected]), tf.tensor1d([margin])).dataSync()[0],
      );
      expect(loss({ policy: { chosen: [chosen], rejected: [rejected] }, margins: [margin] }, TRAIN_DEFAULTS)).toBe(
        published,
      );
    }),
    { numRuns: 50 },
  );
});

test("a reference equal to the policy leaves only the constants: ln 2, 25, 1", () => {
  const same = { ...numbers, reference: numbers.policy };
  expect(loss(same, settings({ lossType: "sigmoid" }))).toBeCloseTo(Math.LN2, 6);
  expect(loss(same, settings({ lossType: "ipo" }))).toBeCloseTo(25, 5);
  expect(loss(same, settings({ lossType: "hinge" }))).toBeCloseTo(1, 6);
});

const pairs: Numbers = {
  policy: { chosen: [-6, -2.5, -11], rejected: [-8, -2, -4] },
  reference: { chosen: [-7, -2, -10.5], rejected: [-7.5, -3, -5] },
  lengths: { chosen: [3, 2, 5], rejected: [2, 2, 3] },
  margins: [0.5, 0.25, 0.75],
};

// TRL's formulas (dpo_trainer.py dpo_loss, cpo_trainer.py cpo_loss), written out in PyTorch on the same numbers
test.each<[TrainSettings, number, number[]]>([
  [{ lossType: "sigmoid", beta: 0.3 }, 0.793249, [-0.038936, -0.061064, -0.061064]],
  [{ lossType: "sigmoid", beta: 0.3, labelSmoothing: 0.2 }, 0.763249, [-0.018936, -0.041064, -0.041064]],
  [{ lossType: "robust", labelSmoothing: 0.1 }, 0.727207, [-0.019586, -0.022081, -0.022081]],
  [{ lossType: "hinge", beta: 0.3 }, 1.15, [-0.1, -0.1, -0.1]],
  [{ lossType: "ipo", beta: 0.4 }, 2.426019, [-0.148148, -0.666667, -0.224444]],
  [{ lossType: "simpo" }, 1.226051, [-0.006514, -0.243686, -0.120427]],
])("%j has the loss and the gradients of TRL's formula in PyTorch", (given, value, slopes) => {
  const chosenSettings = settings(given);
  const numbers: Numbers = { ...pairs, margins: [1, 1, 1] };
  if (chosenSettings.referenceFree) delete numbers.reference;
  expect(loss(numbers, chosenSettings)).toBeCloseTo(value, 5);
  const found = tf.tidy(() => {
    const batch = batchOf(numbers);
    const f = tf.grad((x) =>
      preferenceLoss({ ...batch, policy: { ...batch.policy, chosen: x.as1D() } }, chosenSettings).loss.asScalar(),
    );
    return [...f(batch.policy.chosen).dataSync()];
  });
  found.forEach((slope, i) => {
    expect(slope).toBeCloseTo(slopes[i] ?? Number.NaN, 5);
  });
});

describe("gradients equal finite differences", () => {
  const cases: TrainSettings[] = [
    {},
    { labelSmoothing: 0.2 },
    { lossType: "sigmoid", beta: 0.3 },
    { lossType: "sigmoid", beta: 0.3, rpoAlpha: 0.7, lengthNormalization: true },
    { lossType: "sigmoid", marginRole: "offset", odpoAlpha: 3 },
    { lossType: "hinge", beta: 0.3, marginRole: "weight", marginMode: "abs" },
    { lossType: "ipo", beta: 0.4 },
    { lossType: "robust", labelSmoothing: 0.1 },
    { lossType: "simpo", marginRole: "scale" },
    { lossType: "sft" },
  ];
  test.each(cases)("%j", (given) => {
    const chosenSettings = settings(given);
    const numbers: Numbers = { ...pairs };
    if (chosenSettings.referenceFree) delete numbers.reference;
    const sides = chosenSettings.lossType === "sft" ? (["chosen"] as const) : (["chosen", "rejected"] as const);
    for (const side of sides) {
      const analytic = tf.tidy(() => {
        const batch = batchOf(numbers);
        const f = tf.grad((x) =>
          preferenceLoss({ ...batch, policy: { ...batch.policy, [side]: x.as1D() } }, chosenSettings).loss.asScalar(),
        );
        return [...f(batch.policy[side]).dataSync()];
      });
      analytic.forEach((slope, i) => {
        const at = (change: number): number => {
          const moved = numbers.policy[side].map((value, j) => (i === j ? value + change : value));
          return loss({ ...numbers, policy: { ...numbers.policy, [side]: moved } }, chosenSettings);
        };
        expect(slope).toBeCloseTo((at(0.01) - at(-0.01)) / 0.02, 3);
      });
    }
  });
});
