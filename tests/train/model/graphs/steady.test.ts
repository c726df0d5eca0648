// 200 steps of training on onnxruntime hold no more tensors than two, and no more of JavaScript's memory.

import { setImmediate as turnOfEventLoop } from "node:timers/promises";
import { expect, test } from "vitest";
import { loadGolden } from "../../../../src/train/checks/parity/golden.ts";
import { goldenLoss } from "../../../../src/train/checks/parity/tfjs-checks.ts";
import { ADAMW_DEFAULTS, createAdamW } from "../../../../src/train/optim/adamw.ts";
import { clipByGlobalNorm, valueAndGradients } from "../../../../src/train/optim/gradients.ts";
import { loadModel } from "../../../../src/train/store/model-folder.ts";
import { startTensorflow, tf } from "../../../../src/train/tensorflow/tensorflow.ts";
import { goldenDir } from "../../checks/parity/models.ts";

test("tensors and their bytes stay the same over 200 steps", { timeout: 240_000 }, async () => {
  await startTensorflow("onnxruntime");
  const dir = goldenDir("t5-v1.1");
  const golden = await loadGolden(`${dir}/golden.json`);
  const { parameters, config } = await loadModel(dir);
  const optimizer = createAdamW(parameters, ADAMW_DEFAULTS);
  const held: { tensors: number; bytes: number }[] = [];
  const buffers: number[] = [];
  for (let step = 0; step < 200; step++) {
    const { value, gradients } = valueAndGradients((p) => goldenLoss(p, config, golden), optimizer.parameters());
    clipByGlobalNorm(gradients, 1);
    optimizer.step(gradients, 1e-4);
    tf.dispose([value, gradients]);
    await turnOfEventLoop(); // onnxruntime's handles are only freed between two turns; so do the recipes
    buffers.push(process.memoryUsage().arrayBuffers);
    held.push({ tensors: tf.memory().numTensors, bytes: tf.memory().numBytes });
  }
  expect(held.at(-1)).toEqual(held[1]);
  // garbage comes and goes: the least of the last steps against the most of the first
  expect(Math.min(...buffers.slice(100))).toBeLessThan(Math.max(...buffers.slice(0, 100)));
  optimizer.dispose();
});
