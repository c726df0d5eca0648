// Gradients from a real second process: what it answers, how its failures are told, and that another takes its place.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CapacityError, InputError } from "../../../src/shared/errors.ts";
import { type RemoteGradients, startRemoteGradients } from "../../../src/train/optim/remote-gradients.ts";
import { loadConfig } from "../../../src/train/store/model-config.ts";
import { startTensorflow, type Tensor, tf } from "../../../src/train/tensorflow/tensorflow.ts";
import { goldenDir } from "../checks/parity/models.ts";
import type { Work } from "./scaling-process.ts";

const parameters = () => ({ a: tf.tensor1d([1, -2]), b: tf.tensor2d([[0.5], [4], [8]]) });

let remote: RemoteGradients<Work, number>;
let dir = "";
const lines: string[] = [];
beforeAll(async () => {
  await startTensorflow();
  dir = await mkdtemp(join(tmpdir(), "remote-"));
  const config = await loadConfig(goldenDir("t5-v1.1"));
  remote = startRemoteGradients<Work, number>(new URL("./scaling-process.ts", import.meta.url), {
    processes: 1,
    config,
    trained: parameters(),
    frozen: { bias: tf.tensor1d([100, 200]) },
    log: (line) => lines.push(line),
  });
});
afterAll(async () => {
  remote.stop();
  await rm(dir, { recursive: true, force: true });
});

async function ask(p: Record<string, Tensor>, work: Work) {
  const [part] = await (await remote.begin(p, [work])).results();
  if (part === undefined) throw new Error("no answer");
  return part;
}

test("come back by name and shape, and the process keeps no tensor", async () => {
  const kept: number[] = [];
  for (const times of [2, 3]) {
    const p = parameters();
    const { gradients, figures } = await ask(p, { times });
    expect(gradients.a?.arraySync()).toEqual([times, -2 * times]);
    expect(gradients.b?.arraySync()).toEqual([[0.5 * times], [4 * times], [8 * times]]);
    kept.push(figures);
    tf.dispose([p, gradients]);
  }
  expect(kept[1]).toBe(kept[0]);
});

test("parameters are those of the request, frozen ones those of the start", async () => {
  const p = { a: tf.tensor1d([5, 7]), b: tf.tensor2d([[1], [2], [3]]) };
  const { gradients } = await ask(p, { times: 1, add: "bias" });
  expect(gradients.a?.arraySync()).toEqual([105, 207]);
  expect(gradients.b?.arraySync()).toEqual([[1], [2], [3]]);
  tf.dispose([p, gradients]);
});

test("an error of the computation is told by result, as it was thrown, and the next request is answered", async () => {
  const p = parameters();
  const error: unknown = await ask(p, { refuse: "no labels" }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(InputError);
  expect(error).toMatchObject({ code: "refused", what: "no labels" });
  const { gradients } = await ask(p, { times: 1 });
  expect(gradients.a?.arraySync()).toEqual([1, -2]);
  tf.dispose([p, gradients]);
});

test("a process that is killed is replaced, which is said, and its request is answered", async () => {
  const p = parameters();
  const { gradients } = await ask(p, { times: 3, dieUnless: join(dir, "died") });
  expect(gradients.a?.arraySync()).toEqual([3, -6]);
  expect(lines).toEqual([expect.stringMatching(/computes gradients ended \(SIGKILL\): another one takes its place$/)]);
  tf.dispose([p, gradients]);
});

test("where its replacement is killed too, that request and all later ones fail, and it says what to do", async () => {
  const p = parameters();
  const error: unknown = await ask(p, { die: true }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(CapacityError);
  expect(error).toMatchObject({
    code: "gradients_ended",
    message: expect.stringMatching(/^a process that computes gradients ended \(SIGKILL\)\. Free some memory/),
  });
  await expect(ask(p, { times: 1 })).rejects.toBe(error);
  tf.dispose(p);
});
