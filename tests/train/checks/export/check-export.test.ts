import { cp, truncate } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { DTYPES, onnxFile } from "../../../../src/shared/onnx-names.ts";
import { checkExport } from "../../../../src/train/checks/export/check-export.ts";
import { exportGraphs } from "../../../../src/train/onnx/export/export-graphs.ts";
import { loadConfig } from "../../../../src/train/store/model-config.ts";
import { changeWeights, makeModelFolder, removeFolders } from "../../onnx/export/model-folder.ts";

const folders: string[] = [];
afterEach(() => removeFolders(folders.splice(0)));

async function exported(change?: Parameters<typeof changeWeights>[1]) {
  const dir = await makeModelFolder("t5-v1.1");
  folders.push(dir);
  if (change !== undefined) await changeWeights(dir, change);
  await exportGraphs({ modelDir: dir, outputDir: dir, dtypes: DTYPES });
  return { dir, config: await loadConfig(dir) };
}

const PROMPTS = [
  [5, 6, 7, 8, 1],
  [9, 1],
];

test("a sound export has an exact cache, int8 logits close to fp32's and q4 logits not far off", async () => {
  const { dir, config } = await exported();
  const check = await checkExport(dir, config, PROMPTS, DTYPES);
  expect(check.cacheError).toBeLessThan(1e-4);
  const [int8, q4] = check.cosines;
  expect([int8?.dtype, q4?.dtype]).toEqual(["int8", "q4"]);
  expect(int8?.cosine).toBeGreaterThan(0.99);
  expect(int8?.cosine).toBeLessThan(1);
  expect(q4?.cosine).toBeGreaterThan(0.9);
  expect(q4?.cosine).toBeLessThan(int8?.cosine ?? 0);
});

test("logits that overflow are refused", async () => {
  const { dir, config } = await exported((tensors) =>
    tensors.map((tensor) => {
      if (tensor.name !== "decoder.final_layer_norm.weight") return tensor;
      return { ...tensor, data: new Float32Array(tensor.shape[0] ?? 0).fill(3e38) };
    }),
  );
  await expect(checkExport(dir, config, PROMPTS, ["fp32"])).rejects.toThrow(/logit \d+ of the fp32 export is/);
});

test("a damaged graph and a graph of another model are refused", async () => {
  const { dir, config } = await exported();
  const decoder = join(dir, onnxFile("decoder_model_merged", "fp32"));
  await cp(decoder, `${decoder}.whole`);
  await truncate(decoder, 5000);
  await expect(checkExport(dir, config, PROMPTS, ["fp32"])).rejects.toThrow(/onnxruntime cannot load the graph/);
});
