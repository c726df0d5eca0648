// The losses of pretraining: each by hand from the model's own outputs, and their sum's gradient as its slope.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { padRows } from "../../../../src/train/model/batch.ts";
import { completionLogps } from "../../../../src/train/model/logps.ts";
import { decode, encode, normed } from "../../../../src/train/model/t5.ts";
import type { Example } from "../../../../src/train/recipes/pretrain/examples.ts";
import { pretrainGradients, type TaskBatches } from "../../../../src/train/recipes/pretrain/losses.ts";
import { loadModel, type Model } from "../../../../src/train/store/model-folder.ts";
import { startTensorflow, tf } from "../../../../src/train/tensorflow/tensorflow.ts";
import { writeTinyFolder } from "./tiny-folder.ts";

let dir = "";
let model: Model;
beforeAll(async () => {
  await startTensorflow();
  dir = await mkdtemp(join(tmpdir(), "pretrain-losses-"));
  await writeTinyFolder(dir, { config: { num_layers: 4, num_decoder_layers: 3 } });
  model = await loadModel(dir);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const example = (input: number[], labels: number[], more: Partial<Example> = {}): Example => ({
  input,
  labels,
  targets: [],
  ...more,
});

/** Log-probs of each example's label tokens. */
function labelLogps(batch: readonly Example[]): number[][] {
  const flat = tf.tidy(() => {
    const inputs = padRows(
      batch.map(({ input }) => input),
      model.config.padTokenId,
    );
    const labels = batch.map((one) => one.labels);
    return [...completionLogps(model.parameters, model.config, { prompts: inputs, labels }).tokenLogps.dataSync()];
  });
  return batch.map(({ labels }) => flat.splice(0, labels.length));
}

function figuresOf(batches: TaskBatches): Record<string, number> {
  const { figures, gradients } = pretrainGradients(model.parameters, model.config, batches);
  tf.dispose(gradients);
  return figures;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

test("solving: the mean over all label tokens of the batch", () => {
  const batch = [example([5, 6, 7, 1], [8, 9, 1]), example([6, 1], [10, 1])];
  const figures = figuresOf({ solve: batch });
  expect(Object.keys(figures)).toEqual(["solve_loss"]);
  expect(figures.solve_loss).toBeCloseTo(-mean(labelLogps(batch).flat()), 5);
});

test("judging: the verdicts, and what follows them, each a mean of its own", () => {
  const batch = [example([5, 6, 1], [8, 9, 10, 1]), example([7, 1], [11, 1])];
  const rows = labelLogps(batch);
  const figures = figuresOf({ judge: batch });
  expect(figures.judge_loss).toBeCloseTo(-mean(rows.map(([verdict = Number.NaN]) => verdict)), 5);
  expect(figures.judge_correction_loss).toBeCloseTo(-mean(rows.flatMap((row) => row.slice(1))), 5);
});

/** -log softmax(W x)[token] in plain numbers. */
function headLoss(state: readonly number[], token: number): number {
  const rows = model.parameters["lm_head.weight"]?.arraySync() as number[][];
  const logits = rows.map((row) => row.reduce((sum, w, d) => sum + w * (state[d] ?? 0), 0));
  const max = Math.max(...logits);
  return max + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - max), 0)) - (logits[token] ?? Number.NaN);
}

test("what should stand in the input is read after the third encoder block, from the example's own row", () => {
  const batch = [
    example([5, 6, 7, 1], [8, 1]),
    example([7, 1], [8, 1], {
      targets: [
        { position: 0, token: 9 },
        { position: 1, token: 12 },
      ],
    }),
  ];
  const states = tf.tidy(() => {
    let third: number[][] = [];
    const { parameters, config } = model;
    encode(
      parameters,
      config,
      padRows(
        batch.map(({ input }) => input),
        config.padTokenId,
      ),
      {
        onEncoderBlock: (hidden, block) => {
          if (block === 2)
            third = normed(parameters, "encoder.final_layer_norm", hidden, config).arraySync() as number[][];
        },
      },
    );
    return third; // [2*4, D]
  });
  const expected = mean([headLoss(states[4] ?? [], 9), headLoss(states[5] ?? [], 12)]);
  expect(figuresOf({ fill: batch }).fill_target_loss).toBeCloseTo(expected, 4);
});

test("the result's tens are read as the state is, its units with the halves swapped; rows without one are left out", () => {
  const batch = [example([5, 1], [8, 1]), example([6, 7, 1], [9, 1], { result: { tens: 13, units: 14 } })];
  const { parameters, config } = model;
  const [, state = []] = tf.tidy(() => {
    const encoded = encode(
      parameters,
      config,
      padRows(
        batch.map(({ input }) => input),
        config.padTokenId,
      ),
    );
    const start = {
      ids: tf.tensor1d([config.decoderStartTokenId, config.decoderStartTokenId], "int32"),
      batch: 2,
      length: 1,
    };
    return decode(
      parameters,
      { ...config, numDecoderLayers: 2 },
      { encoded, targets: start },
    ).arraySync() as number[][];
  });
  const half = config.dModel / 2;
  const swapped = [...state.slice(half), ...state.slice(0, half)];
  const expected = mean([headLoss(state, 13), headLoss(swapped, 14)]);
  expect(figuresOf({ check: batch }).check_result_loss).toBeCloseTo(expected, 4);
});

const all = (): TaskBatches => ({
  solve: [example([5, 6, 7, 1], [8, 9, 1])],
  fill: [example([6, 7, 1], [9, 1], { targets: [{ position: 1, token: 9 }] })],
  judge: [example([5, 6, 1], [8, 9, 1], { result: { tens: 13, units: 14 } }), example([7, 1], [11, 1])],
  check: [example([7, 6, 1], [11, 9, 1])],
});

test.each(["encoder.block.0.layer.1.layer_norm.weight", "decoder.block.0.layer.1.layer_norm.weight", "lm_head.weight"])(
  "the gradient of %s is the slope of the sum of all losses",
  (name) => {
    const { gradients } = pretrainGradients(model.parameters, model.config, all());
    const gradient = Array.from(gradients[name]?.dataSync() ?? []);
    tf.dispose(gradients);
    const steepest = gradient.reduce(
      (best, value, i) => (Math.abs(value) > Math.abs(gradient[best] ?? 0) ? i : best),
      0,
    );
    const lossAt = (shift: number): number => {
      const tensor = model.parameters[name];
      const values = tensor?.dataSync().slice() ?? new Float32Array();
      values[steepest] = (values[steepest] ?? 0) + shift;
      const changed = tf.tensor(values, tensor?.shape);
      const result = pretrainGradients({ ...model.parameters, [name]: changed }, model.config, all());
      tf.dispose([changed, result.gradients]);
      return Object.values(result.figures).reduce((sum, loss) => sum + loss, 0);
    };
    const slope = (lossAt(0.01) - lossAt(-0.01)) / 0.02;
    expect(Math.abs(slope)).toBeGreaterThan(0.01);
    expect(Math.abs((gradient[steepest] ?? Number.NaN) - slope)).toBeLessThan(0.02 * Math.abs(slope));
  },
);

test("no tensor is left behind but the gradients", () => {
  const before = tf.memory().numTensors;
  const { gradients } = pretrainGradients(model.parameters, model.config, all());
  expect(tf.memory().numTensors).toBe(before + Object.keys(gradients).length);
  tf.dispose(gradients);
});
