// A run that trains an adapter: what it leaves, that it resumes on its curve, and what it refuses.

import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { policyPrompt } from "../../../../src/shared/prompts.ts";
import { likeliestTokens } from "../../../../src/train/checks/parity/likeliest-tokens.ts";
import { completeGreedily } from "../../../../src/train/onnx/decode/onnx-generate.ts";
import type { TrainConfig } from "../../../../src/train/recipes/dpo/config.ts";
import { trainStepwiseDpo } from "../../../../src/train/recipes/dpo/recipe.ts";
import { loadModel, loadTokenizer } from "../../../../src/train/store/model-folder.ts";
import { openModelTensors, openSafetensors } from "../../../../src/train/store/safetensors.ts";
import { tf } from "../../../../src/train/tensorflow/tensorflow.ts";
import { writeTinyFolder } from "../pretrain/tiny-folder.ts";
import { createTinyRun, readMetrics, stopAfter, type TinyRun } from "./tiny-run.ts";

const LORA = { adapter: "lora", loraR: 4, loraAlpha: 8, learningRate: 1e-2 } as const;

let run: TinyRun;
let straight: TrainConfig;
beforeAll(async () => {
  run = await createTinyRun(await mkdtemp(join(tmpdir(), "adapter-run-")));
  straight = run.config("straight", { ...LORA, samplePrompts: 1 });
  await trainStepwiseDpo(straight);
});
afterAll(() => rm(run.dir, { recursive: true, force: true }));

const adapterBytes = (dir: string): Promise<Buffer> => readFile(join(dir, "adapter_model.safetensors"));

describe("a run that trains an adapter", () => {
  test("leaves an adapter, its export and no second copy of the base", async () => {
    const files = await readdir(straight.outputDir);
    expect(files).toEqual(
      expect.arrayContaining(["adapter_config.json", "adapter_model.safetensors", "onnx", "README.md"]),
    );
    expect(files).not.toContain("model.safetensors");
  });

  test("checkpoints and optimizes the adapter alone", async () => {
    const checkpoint = join(straight.outputDir, "checkpoint-4");
    expect(existsSync(join(checkpoint, "model.safetensors"))).toBe(false);
    const adapter = await openSafetensors(join(checkpoint, "adapter_model.safetensors"));
    const moments = await openSafetensors(join(checkpoint, "optimizer.safetensors"));
    expect(moments.names).toHaveLength(2 * adapter.names.length);
    // q and v of 3 attentions, two matrices each
    expect(adapter.names).toHaveLength(2 * 2 * 3);
    await adapter.close();
    await moments.close();
  });

  test("loads as a model whose adapted weights moved and whose others did not", async () => {
    const [before, after] = [await openModelTensors(straight.model), await openModelTensors(straight.outputDir)];
    for (const name of before.names) {
      const same = Buffer.from((await before.readFloat32(name)).buffer).equals(
        Buffer.from((await after.readFloat32(name)).buffer),
      );
      expect(same, name).toBe(!/\.[qv]\.weight$/.test(name));
    }
    await before.close();
    await after.close();
  });

  test("samples are those of base and adapter together", async () => {
    const { before, after } = JSON.parse(await readFile(join(straight.outputDir, "samples.json"), "utf8"));
    const model = await loadModel(straight.outputDir);
    const tokenizer = await loadTokenizer(straight.outputDir, model.config);
    const prompts = [tokenizer.encode(policyPrompt(after[0].prompt))];
    const rows = await completeGreedily(straight.outputDir, prompts, { maxNewTokens: 128 });
    expect(after).toEqual([{ prompt: before[0].prompt, completion: tokenizer.decode(rows[0] ?? []) }]);
    expect(rows[0]?.length).toBeGreaterThan(0);
    expect(likeliestTokens(model, prompts, rows)).toEqual(rows);
    tf.dispose(model.parameters);
  });

  test("lowers the loss on the pairs that it trains on", async () => {
    const steps = (await readMetrics(straight.outputDir)).flatMap(({ loss }) => loss ?? []);
    expect(steps).toHaveLength(6);
    const [first = 0, last = 0] = [steps.slice(0, 3), steps.slice(3)].map((epoch) => epoch.reduce((a, b) => a + b));
    expect(last).toBeLessThan(first);
  });

  test("resumes on its curve after Ctrl-C", async () => {
    const config = run.config("stopped", LORA);
    await expect(
      trainStepwiseDpo(config, { exportOnnx: false, signal: stopAfter(config.outputDir, 3) }),
    ).rejects.toMatchObject({ code: "interrupted" });
    await trainStepwiseDpo(config, { exportOnnx: false, resume: true });
    expect(await readMetrics(config.outputDir)).toEqual(await readMetrics(straight.outputDir));
    expect((await adapterBytes(config.outputDir)).equals(await adapterBytes(straight.outputDir))).toBe(true);
  });

  test("has the same curve with recomputed blocks", async () => {
    const config = run.config("recomputed", { ...LORA, gradientCheckpointing: true });
    await trainStepwiseDpo(config, { exportOnnx: false });
    const [one, other] = [await readMetrics(straight.outputDir), await readMetrics(config.outputDir)];
    one.forEach(({ loss }, i) => {
      if (typeof loss === "number") expect(other[i]?.loss).toBeCloseTo(loss, 5);
    });
  });

  test("leaves no tensor behind", async () => {
    const config = run.config("memory", { ...LORA, maxSteps: 1 });
    const { numTensors } = tf.memory();
    await trainStepwiseDpo(config, { exportOnnx: false });
    expect(tf.memory().numTensors).toBe(numTensors);
  });

  test("replaces a whole model of an earlier run, and the other way round", async () => {
    const whole = run.config("replaced", { maxSteps: 1 });
    await trainStepwiseDpo(whole, { exportOnnx: false });
    const config = run.config("replaced", { ...LORA, maxSteps: 1 });
    await trainStepwiseDpo(config, { exportOnnx: false });
    expect(existsSync(join(config.outputDir, "model.safetensors"))).toBe(false);
    tf.dispose((await loadModel(config.outputDir)).parameters);
    await trainStepwiseDpo(whole, { exportOnnx: false });
    expect(existsSync(join(config.outputDir, "adapter_config.json"))).toBe(false);
  });
});

describe("is refused before any work", () => {
  test("a projection that the model does not have", async () => {
    const config = run.config("no-target", { ...LORA, loraTargetModules: "q,wi" });
    await expect(trainStepwiseDpo(config)).rejects.toThrow('this model has no projection "wi" (--target)');
    expect(existsSync(config.outputDir)).toBe(false);
  });

  test("an adapter over its own base", async () => {
    const config = run.config("model", LORA);
    await expect(trainStepwiseDpo(config, { overwrite: true })).rejects.toThrow(
      "the adapter would be written over its own base model",
    );
  });

  test("a resumption as another kind of run", async () => {
    const config = { ...straight, adapter: "none" } as const;
    await expect(trainStepwiseDpo(config, { resume: true })).rejects.toThrow(
      '"adapter" is "none", the run to resume had "lora"',
    );
  });

  test("a resumption on a model of other weights under the same name", async () => {
    const other = await createTinyRun(join(run.dir, "other-base"));
    const config = other.config("stopped", LORA);
    await expect(
      trainStepwiseDpo(config, { exportOnnx: false, signal: stopAfter(config.outputDir, 3) }),
    ).rejects.toMatchObject({ code: "interrupted" });
    await writeTinyFolder(config.model, { seed: 2 });
    await expect(trainStepwiseDpo(config, { exportOnnx: false, resume: true })).rejects.toThrow(
      /the adapter was made for another base model: the weights in .*model have hash/,
    );
  });

  test("targets that are not a list of names", () => {
    expect(() => run.config("x", { loraTargetModules: "q v" })).toThrow(
      '--target is "q v": give names separated by commas',
    );
  });
});
