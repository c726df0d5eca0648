// npm run export: a trained (or stock) T5 folder to ONNX files, checked on a probe. Exit 1 when the folder cannot be exported.

import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { DTYPES, type Dtype } from "../src/shared/onnx-names.ts";
import { wholeNumber } from "../src/train/data/flags.ts";
import { checkExport } from "../src/train/export/check-export.ts";
import { exportOnnx } from "../src/train/export/export-onnx.ts";
import { readSideFiles } from "../src/train/export/side-files.ts";
import { mergeAdapter } from "../src/train/lora/adapter-folder.ts";
import { createProgress, type Progress } from "../src/train/progress.ts";
import { reportFailure } from "./cli.ts";

interface Flags {
  model: string;
  output?: string;
  merge: boolean;
  dtype: Dtype[];
  maxSourceTokens: number;
  maxTargetTokens: number;
}

const dtypeList = (text: string): Dtype[] => {
  const names = new Set(text.split(",").map((name) => name.trim()));
  const dtypes = DTYPES.filter((dtype) => names.delete(dtype));
  if (names.size > 0 || dtypes.length === 0) throw new InvalidArgumentError(`Give a list of ${DTYPES.join(", ")}.`);
  return dtypes;
};

const program = new Command("npm run export --")
  .description("Export a T5 in Hugging Face layout to ONNX, for the worker, transformers.js and onnxruntime.")
  .requiredOption("--model <dir>", "folder with config.json, model.safetensors (or an adapter) and tokenizer files")
  .option("--output <dir>", "where the export goes (default: the model folder, whose onnx/ it fills)")
  .option("--merge", "write an adapter folder and its base as one model to --output, and export that", false)
  .option("--dtype <list>", "weight types, separated by commas; graphs of others are removed", dtypeList, [...DTYPES])
  .option("--max-source-tokens <n>", "longest prompt the worker takes", wholeNumber(1), 512)
  .option("--max-target-tokens <n>", "longest completion the worker takes", wholeNumber(1), 512)
  .allowExcessArguments(false)
  .parse();
const { model, output = model, merge, dtype, ...limits } = program.opts<Flags>();

const MEGABYTE = 1e6;
let progress: Progress | undefined;
try {
  const onProgress = (doneBytes: number, totalBytes: number): void => {
    progress ??= createProgress({ title: "export (MB)", total: Math.ceil(totalBytes / MEGABYTE) });
    progress.update(doneBytes === totalBytes ? Math.ceil(totalBytes / MEGABYTE) : Math.floor(doneBytes / MEGABYTE));
  };
  if (merge) {
    await mergeAdapter(model, output);
    console.log(`merged: ${join(output, "model.safetensors")}`);
  }
  const modelDir = merge ? output : model;
  const manifest = await exportOnnx({ modelDir, outputDir: output, dtypes: dtype, ...limits, onProgress });
  progress?.stop();
  for (const file of manifest.files) {
    const size =
      file.bytes < MEGABYTE ? `${(file.bytes / 1e3).toFixed(1)} kB` : `${(file.bytes / MEGABYTE).toFixed(1)} MB`;
    console.log(`${join(output, file.path)}  ${size}`);
  }
  const { config, tokenizer } = await readSideFiles(output);
  const prompts = ["Tom has 3 apples and buys 4 more. How many apples has he?", "2 + 2 = 4. Is it so?"];
  const check = await checkExport(output, config, prompts.map(tokenizer.encode), dtype);
  console.log(
    `check: the files load; cached steps differ from one pass by at most ${check.cacheError.toExponential(1)}`,
  );
  if (check.int8Cosine !== undefined)
    console.log(`check: cosine of int8 to fp32 logits ${check.int8Cosine.toFixed(5)}`);
} catch (error) {
  reportFailure(error);
} finally {
  progress?.stop();
}
