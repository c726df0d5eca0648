// An export is made where it is needed, once, and never mistaken for that of another model of the same name.

import { cpSync, existsSync, mkdtempSync, rmSync, statSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ensureExported } from "../../../../src/train/onnx/export/ensure-exported.ts";
import { exportTinyModel } from "../../../runtime/tiny-model.ts";

let exported: Awaited<ReturnType<typeof exportTinyModel>>;
let folder: string;

beforeAll(async () => {
  exported = await exportTinyModel();
  folder = mkdtempSync(join(tmpdir(), "ensure-exported-"));
  for (const place of ["a", "b"]) {
    for (const name of ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"])
      cpSync(join(exported.dir, name), join(folder, place, "model", name));
  }
});

afterAll(async () => {
  await exported.remove();
  rmSync(folder, { recursive: true, force: true });
});

test("a folder with an export is returned as it is", async () => {
  expect(await ensureExported(exported.dir, { exportsDir: join(folder, "none") })).toBe(exported.dir);
  expect(existsSync(join(folder, "none"))).toBe(false);
});

test("two models of the same name get two exports, each made once and again when the weights are newer", async () => {
  const exports = { exportsDir: join(folder, "exports") };
  const [a, b] = [join(folder, "a/model"), join(folder, "b/model")];
  const first = await ensureExported(a, exports);
  expect(await ensureExported(b, exports)).not.toBe(first);
  const made = () => statSync(join(first, "stepwise_manifest.json")).mtimeMs;
  const before = made();
  expect(await ensureExported(a, exports)).toBe(first);
  expect(made()).toBe(before);
  const later = new Date(Date.now() + 2000);
  utimesSync(join(a, "model.safetensors"), later, later);
  await ensureExported(a, exports);
  expect(made()).toBeGreaterThan(before);
});

test("an export that is older than the weights beside it is not used, and a line says that another is made", async () => {
  const trainedAgain = join(folder, "again/model");
  cpSync(exported.dir, trainedAgain, { recursive: true });
  const later = new Date(Date.now() + 2000);
  utimesSync(join(trainedAgain, "model.safetensors"), later, later);
  const lines: string[] = [];
  const made = await ensureExported(trainedAgain, {
    exportsDir: join(folder, "again/exports"),
    say: (line) => lines.push(line),
  });
  expect(made).not.toBe(trainedAgain);
  expect(lines).toEqual([`exporting ${trainedAgain} to ${made}`]);
});

test("an export without 4-bit graphs is made again with them when they are asked for, and then serves every type", async () => {
  const model = join(folder, "b/model");
  const exportsDir = join(folder, "types");
  const lines: string[] = [];
  const say = (line: string): void => void lines.push(line);
  const made = await ensureExported(model, { exportsDir, say });
  expect(existsSync(join(made, "onnx/decoder_model_merged_q4.onnx"))).toBe(false);
  expect(await ensureExported(model, { exportsDir, dtype: "q4", say })).toBe(made);
  for (const dtype of [undefined, "fp32", "q4"] as const) await ensureExported(model, { exportsDir, dtype, say });
  expect(lines).toEqual([`exporting ${model} to ${made}`, `exporting ${model} to ${made}`]);
  const graphs = ["decoder_model_merged.onnx", "decoder_model_merged_quantized.onnx", "decoder_model_merged_q4.onnx"];
  expect(graphs.filter((file) => !existsSync(join(made, "onnx", file)))).toEqual([]);
});
