// A grown decoder: the old model's answers at first, and a folder that loads as any other.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { layoutSolution } from "../../../../src/shared/process-reward.ts";
import { growDecoder } from "../../../../src/train/recipes/reward/grow-decoder.ts";
import { stepEndLogits } from "../../../../src/train/reward/process/step-end-logits.ts";
import { loadModel, loadTokenizer, saveModel } from "../../../../src/train/store/model-folder.ts";
import { startTensorflow, tf } from "../../../../src/train/tensorflow/tensorflow.ts";
import { writeTinyFolder } from "../pretrain/tiny-folder.ts";

let dir = "";
beforeAll(async () => {
  await startTensorflow();
  dir = await mkdtemp(join(tmpdir(), "grow-decoder-"));
  await writeTinyFolder(join(dir, "base"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

test("new layers change no answer, and are saved and loaded with the rest", async () => {
  const base = await loadModel(join(dir, "base"));
  const tokenizer = await loadTokenizer(base.dir, base.config);
  const answers = { yes: tokenizer.yesTokenId, no: tokenizer.noTokenId };
  const solution = layoutSolution(tokenizer, base.config, "Tom has 3 apples", [{ text: "3 + 4 = 7" }]);
  const logit = ({ parameters, config }: Pick<typeof base, "parameters" | "config">) =>
    tf.tidy(() => stepEndLogits(parameters, config, [solution], answers).dataSync()[0]);
  const before = logit(base);

  const grown = growDecoder(base, 2, 42);
  expect(grown.config.numDecoderLayers).toBe(3);
  expect(logit(grown)).toBeCloseTo(before ?? Number.NaN, 6);

  await saveModel(join(dir, "grown"), grown, grown.parameters);
  const loaded = await loadModel(join(dir, "grown"));
  expect(loaded.config).toEqual(grown.config);
  expect(logit(loaded)).toBeCloseTo(before ?? Number.NaN, 6);
  tf.dispose([grown.parameters, loaded.parameters]);
});

test("no new layer leaves the model as it is", async () => {
  const base = await loadModel(join(dir, "base"));
  expect(growDecoder(base, 0, 42)).toBe(base);
  tf.dispose(base.parameters);
});
