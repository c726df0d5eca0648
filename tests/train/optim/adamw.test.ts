// AdamW against two steps worked out by hand, its state, and its memory. The twenty-step curves are in parity.test.ts.

import { beforeAll, describe, expect, test } from "vitest";
import { ADAMW_DEFAULTS, type AdamW, createAdamW } from "../../../src/train/optim/adamw.ts";
import { startTensorflow, tf } from "../../../src/train/tensorflow/tensorflow.ts";

beforeAll(async () => {
  await startTensorflow();
});

const value = (optimizer: AdamW): number => optimizer.parameters().w?.dataSync()[0] ?? Number.NaN;

function stepWith(optimizer: AdamW, gradient: number[], learningRate: number): void {
  const w = tf.tensor1d(gradient);
  optimizer.step({ w }, learningRate);
  w.dispose();
}

/** Values of one parameter, 1 at first, after gradients 0.5 and -0.25 at learning rate 0.1. */
function twoSteps(options: { epsilon?: number; weightDecay?: number }): [number, number] {
  const optimizer = createAdamW({ w: tf.tensor1d([1]) }, { ...ADAMW_DEFAULTS, ...options });
  stepWith(optimizer, [0.5], 0.1);
  const first = value(optimizer);
  stepWith(optimizer, [-0.25], 0.1);
  const second = value(optimizer);
  optimizer.dispose();
  return [first, second];
}

// step 1: m = 0.05, v = 0.00025; corrected 0.5 and 0.25
// step 2: m = 0.045 - 0.025 = 0.02, v = 0.00024975 + 0.0000625 = 0.00031225; corrected 0.02 / 0.19 = 0.10526316 and
//         0.00031225 / 0.001999 = 0.15620310, whose root is 0.39522538
describe("two steps by hand", () => {
  test("without decay: 1 - 0.1 * 0.5 / 0.5, then - 0.1 * 0.10526316 / 0.39522538", () => {
    const [first, second] = twoSteps({});
    expect(first).toBeCloseTo(0.9, 6);
    expect(second).toBeCloseTo(0.8733663, 6);
  });

  test("weight decay is decoupled: each step first multiplies the weight by 1 - 0.1 * 0.01", () => {
    const [first, second] = twoSteps({ weightDecay: 0.01 });
    expect(first).toBeCloseTo(0.899, 6);
    expect(second).toBeCloseTo(0.898101 - 0.0266337, 6);
  });

  test("epsilon is added after the bias correction: 0.5 / (0.5 + 0.1), then 0.10526316 / (0.39522538 + 0.1)", () => {
    const [first, second] = twoSteps({ epsilon: 0.1 });
    expect(first).toBeCloseTo(0.9166667, 6);
    expect(second).toBeCloseTo(0.9166667 - 0.0212556, 6);
  });
});

test("its state is the moments and the step, and a restored optimizer goes on to the same value", async () => {
  const straight = createAdamW({ w: tf.tensor1d([1, -2]) }, ADAMW_DEFAULTS);
  stepWith(straight, [0.5, 0.1], 0.1);
  const state = await straight.state();
  expect(state.step).toBe(1);
  expect(state.moments.w?.m[0]).toBeCloseTo(0.05, 7);
  expect(state.moments.w?.v[0]).toBeCloseTo(0.00025, 8);
  const copy = tf.clone(straight.parameters().w ?? tf.scalar(0));
  const resumed = createAdamW({ w: tf.tensor1d(copy.dataSync<"float32">()) }, ADAMW_DEFAULTS, state);
  copy.dispose();
  for (const optimizer of [straight, resumed]) stepWith(optimizer, [-0.25, 0.3], 0.05);
  expect(resumed.parameters().w?.dataSync()).toEqual(straight.parameters().w?.dataSync());
  straight.dispose();
  resumed.dispose();
});

test("state of another model is refused, and so is a missing gradient", () => {
  const other = { step: 1, moments: {} };
  expect(() => createAdamW({ w: tf.tensor1d([1]) }, ADAMW_DEFAULTS, other)).toThrow("no moments for w");
  const optimizer = createAdamW({ w: tf.tensor1d([1]) }, ADAMW_DEFAULTS);
  expect(() => optimizer.step({}, 0.1)).toThrow("no gradient for w");
  optimizer.dispose();
});

test("steps leave no tensor behind, and dispose frees what it took over", () => {
  const before = tf.memory().numTensors;
  const optimizer = createAdamW({ w: tf.tensor1d([1, 2, 3]) }, { ...ADAMW_DEFAULTS, weightDecay: 0.1 });
  const counts = [1, 2, 3].map(() => {
    optimizer.parameters();
    stepWith(optimizer, [1, 2, 3], 0.1);
    value(optimizer);
    return tf.memory().numTensors;
  });
  expect(new Set(counts).size).toBe(1);
  optimizer.dispose();
  expect(tf.memory().numTensors).toBe(before);
});
