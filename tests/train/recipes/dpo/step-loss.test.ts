// Losses of single steps on a micro-batch: which tokens count what, against sums by hand, and gradients against finite differences.

import { beforeAll, describe, expect, test } from "vitest";
import type { TokenizedPair } from "../../../../src/train/data/pairs/tokenize-pairs.ts";
import { resolveTrainConfig } from "../../../../src/train/recipes/dpo/config.ts";
import { stepLoss } from "../../../../src/train/recipes/dpo/step-loss.ts";
import { creditOfTokens, stepOfTokens } from "../../../../src/train/recipes/dpo/token-credit.ts";
import { startTensorflow, type Tensor1D, tf } from "../../../../src/train/tensorflow/tensorflow.ts";

beforeAll(async () => {
  await startTensorflow();
});

const NEWLINE = 9;
// two steps of two tokens and one; the other side one step more
const pair: TokenizedPair = {
  pair: { prompt: "p", chosen: "a\nb", rejected: "a\nc\nd" },
  promptIds: [5, 1],
  chosenIds: [3, NEWLINE, 4, 1],
  rejectedIds: [3, NEWLINE, 6, NEWLINE, 7, 1],
  prefixLength: 0,
};
const credits = (
  lossType: "full_step" | "first_error" | "grpo",
  of: TokenizedPair,
  chosen: number[],
  rejected: number[],
) => creditOfTokens(of, { chosen, rejected }, { lossType, stepGamma: 1, advantages: "process", newline: NEWLINE });

describe("tokens", () => {
  test("belong to their line, its newline and the end token too; those of the prefix to none", () => {
    expect(stepOfTokens([3, NEWLINE, 4, NEWLINE, 5, 1], { from: 0, prefixLength: 2, newline: NEWLINE })).toEqual([
      -1, -1, 0, 0, 1, 1,
    ]);
    expect(stepOfTokens([3, NEWLINE, 4, 1], { from: 2, prefixLength: 2, newline: NEWLINE })).toEqual([0, 0]);
  });

  test("first_error: only the first wrong step and the one in its place count", () => {
    expect(credits("first_error", pair, [1, 1], [1, 0, 0])).toEqual({
      chosen: [0, 0, 1, 1],
      rejected: [0, 0, 1, 1, 0, 0],
    });
  });

  test("first_error on a step-level pair learns the prefix, whose tokens count 0 in the preference", () => {
    const step = { ...pair, pair: { ...pair.pair, prefix: "a" }, prefixLength: 2 };
    expect(credits("first_error", step, [1], [0, 0])).toEqual({ chosen: [0, 0, 1, 1], rejected: [0, 0, 1, 1, 0, 0] });
  });

  test("grpo: advantages that come with the pair are taken, those of its own two sides computed", () => {
    const given = { ...pair, pair: { ...pair.pair, chosen_advantages: [2, 1], rejected_advantages: [0, -1, -2] } };
    expect(credits("grpo", given, [], [])).toEqual({ chosen: [2, 2, 1, 1], rejected: [0, 0, -1, -1, -2, -2] });
    // mean 4/5, deviation sqrt((4 * 0.04 + 0.64) / 4) = 0.4472136: right steps 0.447, the wrong one -1.788
    const own = credits("grpo", pair, [1, 1], [1, 1, 0]);
    expect(own.chosen[0]).toBeCloseTo(0.894, 2);
    expect(own.rejected).toEqual([
      ...Array(2).fill(expect.closeTo(-0.894, 2)),
      ...Array(2).fill(expect.closeTo(-1.341, 2)),
      ...Array(2).fill(expect.closeTo(-1.788, 2)),
    ]);
  });
});

const chosen = [-0.1, -0.2, -0.3, -0.4];
const rejected = [-0.1, -0.2, -0.5, -0.6, -0.7, -0.8];
const reference = { chosen: [-0.2, -0.2, -0.2, -0.2], rejected: [-0.3, -0.3, -0.3, -0.3, -0.3, -0.3] };

function loss(
  lossType: "full_step" | "first_error" | "grpo",
  credit: { chosen: number[]; rejected: number[] },
  logps: number[],
) {
  const settings = resolveTrainConfig({}, { lossType, beta: 0.5 });
  return tf.tidy(() => {
    const run = (x: Tensor1D) => stepLoss(x, [{ credit, reference }], settings).loss;
    const value = run(tf.tensor1d(logps)).dataSync()[0] ?? Number.NaN;
    return {
      value,
      slopes: [
        ...tf
          .grad((x) => run(x as Tensor1D))(tf.tensor1d(logps))
          .dataSync(),
      ],
    };
  });
}

test("full_step: each token's log-ratio times its step's weight, then DPO", () => {
  const credit = { chosen: [0.5, 0.5, 1.5, 1.5], rejected: [1, 1, 1, 1, 1, 1] };
  // chosen: 0.5 (0.1 + 0) + 1.5 (-0.1 - 0.2) = -0.4; rejected: 0.2 + 0.1 - 0.2 - 0.3 - 0.4 - 0.5 = -1.1; u = 0.5 * 0.7 = 0.35
  const { value, slopes } = loss("full_step", credit, [...chosen, ...rejected]);
  expect(value).toBeCloseTo(Math.log1p(Math.exp(-0.35)), 5);
  // d/dlogp = -sigmoid(-u) * beta * weight
  const pull = 0.5 / (1 + Math.exp(0.35));
  expect(slopes[0]).toBeCloseTo(-0.5 * pull, 5);
  expect(slopes[3]).toBeCloseTo(-1.5 * pull, 5);
  expect(slopes[9]).toBeCloseTo(pull, 5);
});

test("first_error: DPO on two steps, and the SFT term over the whole right side", () => {
  const credit = { chosen: [0, 0, 1, 1], rejected: [0, 0, 1, 1, 0, 0] };
  // u = 0.5 ((-0.1 - 0.2) - (-0.2 - 0.3)) = 0.1; SFT: (0.1 + 0.2 + 0.3 + 0.4) / 4 = 0.25
  const { value, slopes } = loss("first_error", credit, [...chosen, ...rejected]);
  expect(value).toBeCloseTo(Math.log1p(Math.exp(-0.1)) + 0.25, 5);
  expect(slopes[0]).toBeCloseTo(-0.25, 5);
  expect(slopes[8]).toBeCloseTo(0, 6);
});

test("grpo: both sides count the same, each the mean over its tokens", () => {
  const credit = { chosen: [1, 1, 1, 1], rejected: [-1, -1, -1, -1, -1, -1] };
  const old = [...reference.chosen, ...reference.rejected];
  const { value, slopes } = loss("grpo", credit, old);
  expect(value).toBeCloseTo(0, 6); // (-1 + 1) / 2
  expect(slopes).toEqual([...Array(4).fill(expect.closeTo(-1 / 8, 6)), ...Array(6).fill(expect.closeTo(1 / 12, 6))]);
});

test("grpo: a sample that stands alone counts once, its penalty as well as its gain", () => {
  // one token, d = log 2: penalty 1/2 + log 2 - 1, gain 1.2 x advantage 2 (clipped); each side has half of the advantage
  const settings = resolveTrainConfig({}, { lossType: "grpo", beta: 0.5, clipRange: 0.2 });
  const sides = { credit: { chosen: [1], rejected: [1] }, reference: { chosen: [-1], rejected: [-1] } };
  const logps = [-1 + Math.LN2, -1 + Math.LN2];
  const value = tf.tidy(() => stepLoss(tf.tensor1d(logps), [{ ...sides, alone: true }], settings).loss.dataSync()[0]);
  // mean over two sides of half the loss of the sample
  expect(value).toBeCloseTo(0.5 * (0.5 * (0.5 + Math.LN2 - 1) - 1.2 * 2), 5);
});

test.each(["full_step", "first_error", "grpo"] as const)("%s: slopes agree with finite differences", (lossType) => {
  const credit = { chosen: [0.5, 0.5, 1.5, 1.5], rejected: [-1, -1, 0.3, 0.3, 2, 2] };
  const at = [...chosen, ...rejected];
  const h = 5e-3;
  const { slopes } = loss(lossType, credit, at);
  at.forEach((_, t) => {
    const moved = (by: number): number =>
      loss(
        lossType,
        credit,
        at.map((x, i) => (i === t ? x + by : x)),
      ).value;
    expect(slopes[t]).toBeCloseTo((moved(h) - moved(-h)) / (2 * h), 3);
  });
});
