// Gradients from a real second process: what it answers, and how its failures are told.

import { afterAll, beforeAll, expect, test } from "vitest";
import { CapacityError, InputError } from "../../../src/shared/errors.ts";
import { type RemoteGradients, startRemoteGradients } from "../../../src/train/optim/remote-gradients.ts";
import { loadConfig } from "../../../src/train/store/model-config.ts";
import { startTensorflow, tf } from "../../../src/train/tensorflow/tensorflow.ts";
import { goldenDir } from "../checks/parity/models.ts";
import type { Work } from "./scaling-process.ts";

let remote: RemoteGradients<Work, number>;
beforeAll(async () => {
  await startTensorflow();
  const config = await loadConfig(goldenDir("t5-v1.1"));
  remote = startRemoteGradients<Work, number>(new URL("./scaling-process.ts", import.meta.url), config);
});
afterAll(() => remote.stop());

const parameters = () => ({ a: tf.tensor1d([1, -2]), b: tf.tensor2d([[0.5], [4], [8]]) });

test("come back by name and shape, and the process keeps no tensor", async () => {
  const kept: number[] = [];
  for (const times of [2, 3]) {
    const p = parameters();
    const { gradients, figures } = await (await remote.begin(p, { times })).result();
    expect(gradients.a?.arraySync()).toEqual([times, -2 * times]);
    expect(gradients.b?.arraySync()).toEqual([[0.5 * times], [4 * times], [8 * times]]);
    kept.push(figures);
    tf.dispose([p, gradients]);
  }
  expect(kept[1]).toBe(kept[0]);
});

test("an error of the computation is told by result, as it was thrown, and the next request is answered", async () => {
  const p = parameters();
  const failing = await remote.begin(p, { refuse: "no labels" });
  const error: unknown = await failing.result().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(InputError);
  expect(error).toMatchObject({ code: "refused", what: "no labels" });
  const { gradients } = await (await remote.begin(p, { times: 1 })).result();
  expect(gradients.a?.arraySync()).toEqual([1, -2]);
  tf.dispose([p, gradients]);
});

test("a process that is killed fails its request and all later ones, and says what to do", async () => {
  const p = parameters();
  const failed = await remote.begin(p, { die: true });
  const error: unknown = await failed.result().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(CapacityError);
  expect(error).toMatchObject({
    code: "gradients_ended",
    message: expect.stringMatching(/^a process that computes gradients ended \(SIGKILL\)\. Free some memory/),
  });
  await expect((await remote.begin(p, { times: 1 })).result()).rejects.toBe(error);
  tf.dispose(p);
});
