// The loss of the process reward model: numbers by hand, which positions count, and what must not change it.

import { rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { layoutSolution } from "../../../../src/shared/process-reward.ts";
import type { StepLabel } from "../../../../src/train/data/labelled-solution.ts";
import type { Parameters } from "../../../../src/train/model/parameters.ts";
import { binaryCrossEntropySum } from "../../../../src/train/recipes/reward/binary-cross-entropy.ts";
import { REWARD_DEFAULTS } from "../../../../src/train/recipes/reward/config.ts";
import { growDecoder } from "../../../../src/train/recipes/reward/grow-decoder.ts";
import { solutionWork, startSolutionGradients } from "../../../../src/train/recipes/reward/share-solutions.ts";
import { type SolutionLossOptions, solutionGradients } from "../../../../src/train/recipes/reward/solution-loss.ts";
import {
  type LabelledTokens,
  labelledEnds,
  labelledTokens,
  nextTokens,
} from "../../../../src/train/recipes/reward/solution-targets.ts";
import { stepEndLogits } from "../../../../src/train/reward/process/step-end-logits.ts";
import type { FolderTokenizer, Model } from "../../../../src/train/store/model-folder.ts";
import { type Tensor, tf } from "../../../../src/train/tensorflow/tensorflow.ts";
import { openTinyModel } from "../pretrain/tiny-folder.ts";

let dir = "";
let model: Model;
let tokenizer: FolderTokenizer;
beforeAll(async () => {
  ({ dir, model, tokenizer } = await openTinyModel());
});
afterAll(() => rm(dir, { recursive: true, force: true }));

function solution(prompt: string, steps: string[], labels: StepLabel[]): LabelledTokens {
  const lines = steps.map((text) => ({ text }));
  return { ...layoutSolution(tokenizer, model.config, prompt, lines), labels };
}

const solutions = (): LabelledTokens[] => [
  solution("Tom has 3 apples", ["3 + 4 = 7", "7 - 2 = 5"], [1, 0]),
  solution("Tom has 3 apples", ["3 + 4 = 8"], [0.25]),
  solution("How many?", ["1 + 1 = 2", "2 + 2 = 4", "4 - 1 = 3"], [1, undefined, 1]),
];

const answers = () => ({ yes: tokenizer.yesTokenId, no: tokenizer.noTokenId });

test("cross-entropy of a chance is softplus(x) - y x, summed", () => {
  // ln 2; ln(1 + e^2) - 0.25 * 2; ln(1 + e^-1)
  const value = tf.tidy(() => binaryCrossEntropySum(tf.tensor1d([0, 2, -1]), [1, 0.25, 0]).dataSync()[0]);
  expect(value).toBeCloseTo(Math.LN2 + 1.626928 + 0.313262, 5);
});

test("cross-entropy stays finite where a chance is 0 or 1 in float32", () => {
  const value = tf.tidy(() => binaryCrossEntropySum(tf.tensor1d([200, -200]), [0, 1]).dataSync()[0]);
  expect(value).toBeCloseTo(400, 3);
});

describe("positions", () => {
  // <start> a b \n c \n d </s>: steps end at 3, 5, 7
  const row = { promptIds: [9, 1], decoderIds: [0, 10, 11, 3, 12, 3, 13, 1], stepEnds: [3, 5, 7] };

  test("only labelled steps are answered for", () => {
    const pair = [
      { ...row, labels: [1, undefined, 0] },
      { ...row, labels: [undefined, 0.5, undefined] },
    ];
    expect(labelledEnds(pair, 10)).toEqual({ positions: [3, 7, 15], labels: [1, 0, 0.5] });
  });

  test("tokens of right steps are predicted up to the first that is wrong or unlabelled", () => {
    expect(nextTokens([{ ...row, labels: [1, 1, 1] }], 10, true)).toEqual({
      positions: [0, 1, 2, 3, 4, 5, 6],
      next: [10, 11, 3, 12, 3, 13, 1],
    });
    expect(nextTokens([{ ...row, labels: [0.9, 0.4, 1] }], 10, true).positions).toEqual([0, 1, 2]);
    expect(nextTokens([{ ...row, labels: [undefined, 1, 1] }], 10, true).positions).toEqual([]);
  });

  test("where the answers are read from the same layer, the ends of steps predict nothing", () => {
    expect(nextTokens([{ ...row, labels: [1, 1, 1] }], 10, false)).toEqual({
      positions: [0, 1, 2, 4, 6],
      next: [10, 11, 3, 3, 1],
    });
  });

  test("at a divergence the token of the right solution is predicted, and nothing after it", () => {
    const wrong = { ...row, labels: [1, 0, 0], divergence: { at: 4, token: 77 } };
    expect(nextTokens([wrong], 10, true)).toEqual({ positions: [0, 1, 2, 3], next: [10, 11, 3, 77] });
  });

  test("tokens within steps are right up to the divergence, and wrong from there on", () => {
    const long = { promptIds: [9, 1], decoderIds: [0, 10, 11, 3, 12, 14, 3, 13, 1], stepEnds: [3, 6, 8] };
    const wrong = { ...long, labels: [1, 0, 0], divergence: { at: 5, token: 77 } };
    expect(labelledTokens([wrong], 10)).toEqual({ positions: [1, 2, 4, 5, 7], labels: [1, 1, 1, 0, 0] });
    // without one, nobody knows which token of the wrong step is wrong
    expect(labelledTokens([{ ...long, labels: [1, 0, 0] }], 10).positions).toEqual([1, 2, 7]);
    expect(labelledTokens([{ ...long, labels: [undefined, 0, 0] }], 10).positions).toEqual([7]);
  });
});

/** The whole decoder of the tiny model is one layer. */
const options = (lmWeight: number): SolutionLossOptions => ({
  answers: answers(),
  tokenWeight: 0.3,
  lmWeight,
  comparisonWeight: 0,
  lmLayers: 1,
});

const grouped = (groups: LabelledTokens[][], lmWeight: number) =>
  solutionGradients(model.parameters, model.config, groups, options(lmWeight));

test("the figures are sums over labelled steps", () => {
  const { figures, gradients } = grouped([solutions()], 0);
  tf.dispose(gradients);
  const logits = tf.tidy(() => [...stepEndLogits(model.parameters, model.config, solutions(), answers()).dataSync()]);
  const labels = [1, 0, 0.25, 1, undefined, 1];
  const loss = logits.reduce((sum, x, i) => {
    const y = labels[i];
    return y === undefined
      ? sum
      : sum - y * Math.log(1 / (1 + Math.exp(-x))) - (1 - y) * Math.log(1 / (1 + Math.exp(x)));
  }, 0);
  expect(figures).toMatchObject({ solutions: 3, steps: 5, lmTokens: 0, lmLoss: 0 });
  expect(figures.loss).toBeCloseTo(loss, 4);
});

function expectSame(a: Record<string, Tensor>, b: Record<string, Tensor>): void {
  expect(Object.keys(a)).toEqual(Object.keys(b));
  for (const [name, gradient] of Object.entries(a)) {
    const gap = tf.tidy(() => {
      const other = b[name];
      return other === undefined ? Number.NaN : tf.max(tf.abs(tf.sub(gradient, other))).dataSync()[0];
    });
    expect(gap, name).toBeLessThan(1e-6);
  }
}

test("three batches of one solution give the gradients of one batch of three", () => {
  const one = grouped([solutions()], 0.5);
  const three = grouped(
    solutions().map((own) => [own]),
    0.5,
  );
  expect(three.figures.loss).toBeCloseTo(one.figures.loss, 4);
  expect(three.figures.lmLoss).toBeCloseTo(one.figures.lmLoss, 3);
  expectSame(three.gradients, one.gradients);
  tf.dispose([one.gradients, three.gradients]);
});

test("two processes give the gradients and figures of one", async () => {
  const { config } = model;
  const parallel = startSolutionGradients({ processes: 2, config, trained: model.parameters });
  const shared = (batches: LabelledTokens[][]) =>
    parallel.gradients(model.parameters, solutionWork(batches, { workers: 2, config, loss: options(0.5) }));
  try {
    const one = grouped([solutions()], 0.5);
    const two = await shared([solutions()]);
    expect(two.figures).toMatchObject({ solutions: 3, steps: one.figures.steps, lmTokens: one.figures.lmTokens });
    expect(two.figures.loss).toBeCloseTo(one.figures.loss, 4);
    expectSame(two.gradients, one.gradients);
    // a batch of one solution leaves the second process nothing to do
    const alone = await shared([solutions().slice(0, 1)]);
    expect(alone.figures.solutions).toBe(1);
    tf.dispose([one.gradients, two.gradients, alone.gradients]);
  } finally {
    parallel.stop();
  }
});

test.each(["decoder.final_layer_norm.weight", "encoder.block.0.layer.1.layer_norm.weight"])(
  "the gradient of %s is the slope of the loss",
  (name) => {
    const lmWeight = 0.5;
    const { gradients } = grouped([solutions()], lmWeight);
    const gradient = gradients[name]?.dataSync() ?? new Float32Array();
    tf.dispose(gradients);
    const lossAt = (shift: number): number => {
      const changed = tf.tidy(() => {
        const values = model.parameters[name]?.dataSync().slice() ?? new Float32Array();
        values[0] = (values[0] ?? 0) + shift;
        return tf.tensor1d(values);
      });
      const parameters = { ...model.parameters, [name]: changed };
      const result = solutionGradients(parameters, model.config, [solutions()], options(lmWeight));
      tf.dispose([result.gradients, changed]);
      const { figures } = result;
      return (
        figures.loss / figures.steps +
        (0.3 * figures.tokenLoss) / figures.answeredTokens +
        (lmWeight * figures.lmLoss) / figures.lmTokens
      );
    };
    const slope = (lossAt(0.02) - lossAt(-0.02)) / 0.04;
    expect(Math.abs((gradient[0] ?? Number.NaN) - slope)).toBeLessThan(0.02 * Math.max(Math.abs(slope), 0.02));
  },
);

describe("the loss that training starts from, on a decoder with an added layer", () => {
  let grown: Model;
  beforeAll(() => {
    grown = growDecoder(model, 1, 7);
  });
  const { lmWeight, tokenWeight, comparisonWeight } = REWARD_DEFAULTS;
  const at = (parameters: Parameters) =>
    solutionGradients(parameters, grown.config, [solutions()], {
      answers: answers(),
      lmWeight,
      tokenWeight,
      comparisonWeight,
      lmLayers: 1,
    });

  // the added layer: what is below it, and so the comparison's targets, does not move with it
  test.each(["decoder.block.1.layer.0.SelfAttention.o.weight", "decoder.block.1.layer.2.DenseReluDense.wo.weight"])(
    "the gradient of %s is the slope of the sum of its terms",
    (name) => {
      const { gradients, figures } = at(grown.parameters);
      expect(figures.comparedTokens).toBeGreaterThan(0);
      const gradient = Array.from(gradients[name]?.dataSync() ?? []);
      tf.dispose(gradients);
      const steepest = gradient.reduce(
        (best, value, i) => (Math.abs(value) > Math.abs(gradient[best] ?? 0) ? i : best),
        0,
      );
      const lossAt = (shift: number): number => {
        const changed = tf.tidy(() => {
          const tensor = grown.parameters[name];
          const values = tensor?.dataSync().slice() ?? new Float32Array();
          values[steepest] = (values[steepest] ?? 0) + shift;
          return tf.tensor(values, tensor?.shape);
        });
        const result = at({ ...grown.parameters, [name]: changed });
        tf.dispose([result.gradients, changed]);
        const { loss, steps, lmLoss, lmTokens, comparisonLoss, comparedTokens } = result.figures;
        return loss / steps + (lmWeight * lmLoss) / lmTokens + (comparisonWeight * comparisonLoss) / comparedTokens;
      };
      const slope = (lossAt(0.01) - lossAt(-0.01)) / 0.02;
      expect(Math.abs(slope)).toBeGreaterThan(0.01);
      expect(Math.abs((gradient[steepest] ?? Number.NaN) - slope)).toBeLessThan(0.02 * Math.abs(slope));
    },
  );
});

test("no tensor is left behind but the gradients", () => {
  const before = tf.memory().numTensors;
  const { gradients } = grouped([solutions()], 0.5);
  expect(tf.memory().numTensors).toBe(before + Object.keys(gradients).length);
  tf.dispose(gradients);
});
