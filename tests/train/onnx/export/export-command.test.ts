import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, expect, test } from "vitest";
import { changeWeights, makeModelFolder, removeFolders } from "./model-folder.ts";

const root = new URL("../../../..", import.meta.url).pathname;
const run = promisify(execFile);
const folders: string[] = [];
afterEach(() => removeFolders(folders.splice(0)));

/** Runs the command as `npm run export` does. */
function exportCommand(...args: string[]) {
  return run(
    process.execPath,
    [join(root, "node_modules/tsx/dist/cli.mjs"), join(root, "scripts/export.ts"), ...args],
    {
      timeout: 50_000,
    },
  );
}

async function model(): Promise<string> {
  const dir = await makeModelFolder("t5-v1.1");
  folders.push(dir);
  return dir;
}

test("the command lists the files it wrote and the result of its check", async () => {
  const dir = await model();
  const { stdout } = await exportCommand("--model", dir, "--dtype", "q4,int8,fp32");
  expect(stdout).toContain(`${dir}/onnx/decoder_model_merged_quantized.onnx`);
  expect(stdout).toContain(`${dir}/onnx/decoder_model_merged_q4.onnx`);
  expect(stdout).toMatch(/cosine of int8 to fp32 logits 0\.9\d+/);
  expect(stdout).toMatch(/cosine of q4 to fp32 logits 0\.9\d+/);
});

test("the command exits with 1 and names the tensor that is missing", async () => {
  const dir = await model();
  await changeWeights(dir, (tensors) => tensors.filter((tensor) => tensor.name !== "shared.weight"));
  const failure = await exportCommand("--model", dir).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 1, stdout: "" });
  expect(failure).toHaveProperty("stderr", expect.stringMatching(/^error: 1 tensors are missing: shared\.weight/));
});

test("an unknown weight type is refused with the list of known ones", async () => {
  const failure = await exportCommand("--model", "nowhere", "--dtype", "fp16").catch((error: unknown) => error);
  expect(failure).toHaveProperty("stderr", expect.stringContaining("Give a list of fp32, int8, q4."));
});

test("--report writes the accuracy of each form beside the export, and prints it", async () => {
  const dir = await model();
  const pairs = join(dir, "pairs.jsonl");
  await writeFile(pairs, `${JSON.stringify({ prompt: "How many?", chosen: "1 + 1 = 2", rejected: "1 + 1 = 3" })}\n`);
  const { stdout } = await exportCommand("--model", dir, "--dtype", "fp32,int8,q4", "--report", pairs);
  expect(stdout).toContain("against fp32, 1 pairs");
  const written: unknown = JSON.parse(await readFile(join(dir, "export_report.json"), "utf8"));
  expect(written).toMatchObject({ reference: "fp32", pairs: 1, steps: 2, forms: [{ dtype: "int8" }, { dtype: "q4" }] });
});

test("--report without both forms is refused before anything is written", async () => {
  const dir = await model();
  const pairs = join(dir, "pairs.jsonl");
  await writeFile(pairs, `${JSON.stringify({ prompt: "How many?", chosen: "1 + 1 = 2", rejected: "1 + 1 = 3" })}\n`);
  const failure = await exportCommand("--model", dir, "--dtype", "int8", "--report", pairs).catch((e: unknown) => e);
  expect(failure).toHaveProperty("stderr", expect.stringContaining("--report holds other forms against fp32"));
});
