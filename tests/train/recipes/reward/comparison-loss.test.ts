// The comparison's deep supervision: its value by hand from the logits, and no gradient through its targets.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { layoutSolution } from "../../../../src/shared/process-reward.ts";
import { comparedTokens, comparisonLoss } from "../../../../src/train/recipes/reward/comparison-loss.ts";
import { loadModel, loadTokenizer } from "../../../../src/train/store/model-folder.ts";
import { startTensorflow, tf } from "../../../../src/train/tensorflow/tensorflow.ts";
import { writeTinyFolder } from "../pretrain/tiny-folder.ts";

let dir = "";
beforeAll(async () => {
  await startTensorflow();
  dir = await mkdtemp(join(tmpdir(), "comparison-loss-"));
  await writeTinyFolder(dir);
});
afterAll(() => rm(dir, { recursive: true, force: true }));

test("it sums what the token is, what was expected in its place, and how likely it was", async () => {
  const { config, parameters } = await loadModel(dir);
  const tokenizer = await loadTokenizer(dir, config);
  const answers = { yes: tokenizer.yesTokenId, no: tokenizer.noTokenId };
  const solution = layoutSolution(tokenizer, config, "Tom has 3", [{ text: "3 + 4 = 7" }]);
  const ids = solution.decoderIds;
  expect(comparedTokens([solution])).toBe(ids.length - 1);

  const D = config.dModel;
  const states = [1, 2].map((seed) => tf.randomNormal([ids.length, D], 0, 1, "float32", seed) as tf.Tensor2D);
  const [below, above] = states.map((state) => state.arraySync() as number[][]);
  const [belowTensor, aboveTensor] = states;
  const rows = parameters["lm_head.weight"]?.arraySync() as number[][];
  const logits = (x: readonly number[]): number[] => rows.map((row) => row.reduce((s, w, d) => s + w * (x[d] ?? 0), 0));
  const logSoftmax = (x: readonly number[]): number[] => {
    const l = logits(x);
    const max = Math.max(...l);
    const z = max + Math.log(l.reduce((s, v) => s + Math.exp(v - max), 0));
    return l.map((v) => v - z);
  };
  const turned = (x: readonly number[], by: number): number[] => [...x.slice(by), ...x.slice(0, by)];
  let expected = 0;
  for (let t = 1; t < ids.length; t++) {
    const before = logSoftmax(below?.[t - 1] ?? []);
    const guess = before.indexOf(Math.max(...before));
    const chance = Math.exp(before[ids[t] ?? 0] ?? 0);
    const own = logits(above?.[t] ?? []);
    const odds = (own[answers.yes] ?? 0) - (own[answers.no] ?? 0);
    expected -= logSoftmax(turned(below?.[t] ?? [], D / 2))[ids[t] ?? 0] ?? 0;
    expected -= logSoftmax(turned(above?.[t] ?? [], D / 4))[guess] ?? 0;
    expected += 2 * (Math.log1p(Math.exp(odds)) - chance * odds);
  }
  if (belowTensor === undefined || aboveTensor === undefined) throw new Error("no states");
  const value = tf.tidy(() =>
    comparisonLoss(parameters, [solution], { below: belowTensor, above: aboveTensor, length: ids.length }, answers)
      .dataSync()
      .at(0),
  );
  expect(value).toBeCloseTo(expected, 2);
  tf.dispose([states, parameters]);
});

test("no gradient flows through its targets: of the state below, only the token that it must keep pulls", async () => {
  const { config, parameters } = await loadModel(dir);
  const tokenizer = await loadTokenizer(dir, config);
  const answers = { yes: tokenizer.yesTokenId, no: tokenizer.noTokenId };
  const solution = layoutSolution(tokenizer, config, "Tom has 3", [{ text: "3 + 4 = 7" }]);
  const ids = solution.decoderIds;
  const D = config.dModel;
  const [below, above] = [1, 2].map((seed) => tf.randomNormal([ids.length, D], 0, 1, "float32", seed) as tf.Tensor2D);
  if (below === undefined || above === undefined) throw new Error("no states");
  const gradient = tf.tidy(
    () =>
      tf
        .grad((x) =>
          comparisonLoss(
            parameters,
            [solution],
            { below: x as tf.Tensor2D, above, length: ids.length },
            answers,
          ).asScalar(),
        )(below)
        .arraySync() as number[][],
  );
  const rows = parameters["lm_head.weight"]?.arraySync() as number[][];
  const states = below.arraySync();
  // -log softmax(W x)[w] of x, the state turned by half: W^T (softmax(W x) - onehot(w)), turned back
  const pull = (t: number): number[] => {
    const x = [...(states[t] ?? []).slice(D / 2), ...(states[t] ?? []).slice(0, D / 2)];
    const logits = rows.map((row) => row.reduce((sum, w, d) => sum + w * (x[d] ?? 0), 0));
    const max = Math.max(...logits);
    const total = logits.reduce((sum, logit) => sum + Math.exp(logit - max), 0);
    const error = logits.map((logit, id) => Math.exp(logit - max) / total - Number(id === ids[t]));
    const turned = x.map((_, d) => rows.reduce((sum, row, id) => sum + (row[d] ?? 0) * (error[id] ?? 0), 0));
    return [...turned.slice(D / 2), ...turned.slice(0, D / 2)];
  };
  // the start token is not compared: its state only says what is expected next
  expect(gradient[0]?.every((value) => value === 0)).toBe(true);
  for (let t = 1; t < ids.length; t++)
    pull(t).forEach((value, d) => {
      expect(gradient[t]?.[d], `${t}, ${d}`).toBeCloseTo(value, 4);
    });
  tf.dispose([below, above, parameters]);
});
