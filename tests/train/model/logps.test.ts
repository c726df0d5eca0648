// Sequence log-probabilities: what must not change them, on a golden model with random weights.

import { beforeAll, expect, test } from "vitest";
import { decoderRows, padRows } from "../../../src/train/model/batch.ts";
import { completionLogps } from "../../../src/train/model/logps.ts";
import { loadModel, type Model } from "../../../src/train/store/model-folder.ts";
import { startTensorflow, tf } from "../../../src/train/tensorflow/tensorflow.ts";
import { goldenDir } from "../checks/parity/models.ts";

let model: Model;
beforeAll(async () => {
  await startTensorflow();
  model = await loadModel(goldenDir("t5-v1.1"));
});

const shortPrompt = [12, 40, 7, 1];
const longPrompt = Array.from({ length: 30 }, (_, i) => ((i * 7) % 90) + 3);
const shortAnswer = [55, 60, 1];
const longAnswer = Array.from({ length: 25 }, (_, i) => ((i * 11) % 90) + 3);

function sequenceLogps(prompts: number[][], labels: number[][]): number[] {
  const { parameters, config } = model;
  return tf.tidy(() => [
    ...completionLogps(parameters, config, {
      prompts: padRows(prompts, config.padTokenId),
      labels,
    }).sequenceLogps.dataSync(),
  ]);
}

function expectClose(actual: number[], expected: number[]): void {
  expect(actual).toHaveLength(expected.length);
  actual.forEach((value, i) => {
    expect(Math.abs(value - (expected[i] ?? Number.NaN))).toBeLessThan(1e-4);
  });
}

test("padding does not change a sequence log-prob, of the prompt or of the completion", () => {
  const [alone = Number.NaN] = sequenceLogps([shortPrompt], [shortAnswer]);
  const [padded = Number.NaN] = sequenceLogps([shortPrompt, longPrompt], [shortAnswer, longAnswer]);
  expectClose([padded], [alone]);
});

test("two completions that share a prompt have the log-probs of the prompt given twice", () => {
  const shared = sequenceLogps([shortPrompt, longPrompt], [shortAnswer, longAnswer, longAnswer, shortAnswer]);
  const repeated = sequenceLogps(
    [shortPrompt, longPrompt, shortPrompt, longPrompt],
    [shortAnswer, longAnswer, longAnswer, shortAnswer],
  );
  expectClose(shared, repeated);
});

test("the order of a batch does not matter", () => {
  const forward = sequenceLogps([shortPrompt, longPrompt], [shortAnswer, longAnswer]);
  const backward = sequenceLogps([longPrompt, shortPrompt], [longAnswer, shortAnswer]);
  expectClose(backward, forward.reverse());
});

test("a sequence log-prob is the sum over its tokens, the last of them EOS", () => {
  const { parameters, config } = model;
  const { tokens, sums } = tf.tidy(() => {
    const prompts = padRows([shortPrompt, longPrompt], config.padTokenId);
    const result = completionLogps(parameters, config, { prompts, labels: [shortAnswer, longAnswer] });
    return { tokens: [...result.tokenLogps.dataSync()], sums: [...result.sequenceLogps.dataSync()] };
  });
  expect(tokens).toHaveLength(shortAnswer.length + longAnswer.length);
  const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);
  expectClose(sums, [sum(tokens.slice(0, 3)), sum(tokens.slice(3))]);
});

test("a token's log-prob depends on the tokens before it only", () => {
  const { parameters, config } = model;
  const tokenLogps = (labels: number[]): number[] =>
    tf.tidy(() => [
      ...completionLogps(parameters, config, {
        prompts: padRows([shortPrompt], 0),
        labels: [labels],
      }).tokenLogps.dataSync(),
    ]);
  expectClose(tokenLogps([9, 8, 7, 6]).slice(0, 3), tokenLogps([9, 8, 7, 70]).slice(0, 3));
});

test("labels are not shifted: decoder inputs are the start token and all labels but the last", () => {
  expect(
    decoderRows(
      [
        [5, 6, 1],
        [9, 1],
      ],
      model.config,
    ),
  ).toEqual([
    [0, 5, 6],
    [0, 9],
  ]);
});

test("rows are padded to the longest, with a mask of ones at real tokens", () => {
  const { ids, mask, batch, length } = padRows([[5, 6, 1], [9]], 0);
  expect([batch, length]).toEqual([2, 3]);
  expect([...ids.dataSync()]).toEqual([5, 6, 1, 9, 0, 0]);
  expect(mask.arraySync()).toEqual([
    [1, 1, 1],
    [1, 0, 0],
  ]);
});

test("the sum of a long completion is rounded once, not at every token", () => {
  const { parameters, config } = model;
  const answer = Array.from({ length: 200 }, (_, i) => ((i * 13) % 90) + 3);
  const { tokens, sum } = tf.tidy(() => {
    const result = completionLogps(parameters, config, {
      prompts: padRows([shortPrompt], config.padTokenId),
      labels: [answer],
    });
    return { tokens: [...result.tokenLogps.dataSync()], sum: result.sequenceLogps.dataSync()[0] };
  });
  expect(sum).toBe(Math.fround(tokens.reduce((total, value) => total + value, 0)));
});
