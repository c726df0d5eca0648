// The accuracy report on a tiny T5, whose forms are known: fp32 against itself, int8 against fp32.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { formatAccuracy, reportAccuracy } from "../../../../src/train/checks/export/accuracy-report.ts";
import { exportGraphs } from "../../../../src/train/onnx/export/export-graphs.ts";
import { readSideFiles } from "../../../../src/train/onnx/export/side-files.ts";
import { writeTinyFolder } from "../../recipes/pretrain/tiny-folder.ts";

const folders: string[] = [];
afterEach(() => Promise.all(folders.splice(0).map((dir) => rm(dir, { recursive: true, force: true }))));

const pairs = [
  { prompt: "Tom has 3 apples.", chosen: "3 + 4 = 7\nSo 7", rejected: "3 + 4 = 8" },
  { prompt: "How many?", chosen: "1 + 1 = 2", rejected: "1 + 1 = 3\nSo 3\nIt is 3" },
];

async function report(process: boolean) {
  const dir = await mkdtemp(join(tmpdir(), "accuracy-"));
  folders.push(dir);
  await writeTinyFolder(dir);
  await exportGraphs({ modelDir: dir, outputDir: dir, dtypes: ["fp32", "int8"] });
  const { config, tokenizer } = await readSideFiles(dir);
  const tokens = pairs.flatMap(({ chosen, rejected }) => [chosen, rejected].flatMap(tokenizer.encode)).length;
  return {
    tokens,
    ...(await reportAccuracy({ exportDir: dir, config, tokenizer, pairs, dtypes: ["fp32", "int8"], process })),
  };
}

test.each([
  ["a zero-shot judge", false],
  ["a process reward model", true],
])("fp32 equals itself; int8 of %s is near, not equal", async (_, process) => {
  const { forms, steps, positions, tokens, pairs: count } = await report(process);
  expect([count, steps, positions]).toEqual([2, 7, tokens]);
  const [fp32, int8] = forms;
  expect(fp32).toMatchObject({ dtype: "fp32", greedy_agreement: 1, score_error_max: 0 });
  expect(fp32?.logit_cosine_min).toBeCloseTo(1, 10);
  expect(int8?.logit_cosine_mean).toBeGreaterThan(0.99);
  expect(int8?.logit_cosine_mean).toBeLessThan(1);
  expect(int8?.logit_cosine_min).toBeLessThanOrEqual(int8?.logit_cosine_mean ?? 0);
  expect(int8?.greedy_agreement).toBeGreaterThan(0.8);
  expect(int8?.score_error_mean).toBeGreaterThan(0);
  expect(int8?.score_error_max).toBeLessThan(0.1);
});

test("the table has a line a form", () => {
  const form = { logit_cosine_mean: 0.99912, logit_cosine_min: 0.98, greedy_agreement: 0.9875 };
  const text = formatAccuracy({
    reference: "fp32",
    pairs: 2,
    positions: 80,
    steps: 7,
    forms: [{ dtype: "int8", ...form, score_error_mean: 0.00123, score_error_max: 0.01 }],
  });
  expect(text.split("\n")).toEqual([
    "against fp32, 2 pairs, 80 tokens, 7 steps:",
    "form  logit cosine  smallest  greedy agreement  score error  largest",
    "int8  0.99912       0.98000   98.8 %            0.00123      0.01000",
  ]);
});
