// npm run export: a trained (or stock) T5 folder to ONNX files, checked on a probe. Exit 1 when the folder cannot be exported.

import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { InputError } from "../src/shared/errors.ts";
import { DEFAULT_DTYPES, DTYPES, type Dtype } from "../src/shared/onnx-names.ts";
import { formatAccuracy, reportAccuracy } from "../src/train/checks/export/accuracy-report.ts";
import { checkExport } from "../src/train/checks/export/check-export.ts";
import { loadPairs } from "../src/train/data/pairs/load-pairs.ts";
import { createProgress, type Progress } from "../src/train/io/progress.ts";
import { writeJson } from "../src/train/io/write-text.ts";
import { exportOnnx } from "../src/train/onnx/export/export-onnx.ts";
import { readSideFiles } from "../src/train/onnx/export/side-files.ts";
import { mergeAdapter } from "../src/train/store/adapter-folder.ts";
import { readRewardModelFile } from "../src/train/store/reward-model-file.ts";
import { reportFailure } from "./cli.ts";
import { wholeNumber } from "./flags.ts";

interface Flags {
  model: string;
  output?: string;
  merge: boolean;
  dtype: Dtype[];
  maxSourceTokens: number;
  maxTargetTokens: number;
  report?: string;
  reportPairs: number;
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
  .option("--dtype <list>", "of fp32, int8, q4; graphs of others are removed", dtypeList, [...DEFAULT_DTYPES])
  .option("--max-source-tokens <n>", "longest prompt the worker takes", wholeNumber(1), 512)
  .option("--max-target-tokens <n>", "longest completion the worker takes", wholeNumber(1), 512)
  .option("--report <dir|file>", "hold the forms against fp32 on these pairs, and write export_report.json")
  .option("--report-pairs <n>", "how many of them", wholeNumber(1), 20)
  .allowExcessArguments(false)
  .parse();
const { model, output = model, merge, dtype, report, reportPairs, ...limits } = program.opts<Flags>();

const MEGABYTE = 1e6;
/** Beside the export: how exact each of its forms is. */
const REPORT_FILE = "export_report.json";
let progress: Progress | undefined;
try {
  const onProgress = (doneBytes: number, totalBytes: number): void => {
    progress ??= createProgress({ title: "export (MB)", total: Math.ceil(totalBytes / MEGABYTE) });
    progress.update(doneBytes === totalBytes ? Math.ceil(totalBytes / MEGABYTE) : Math.floor(doneBytes / MEGABYTE));
  };
  const pairs = report === undefined ? undefined : (await loadPairs(report)).pairs.slice(0, reportPairs);
  if (pairs !== undefined && !(dtype.includes("fp32") && dtype.length > 1)) {
    const what = `--report holds other forms against fp32, and --dtype is ${dtype.join(",")}`;
    throw new InputError({ code: "nothing_to_report", what, fix: "Leave --dtype out, or give fp32,int8,q4." });
  }
  if (merge) {
    await mergeAdapter(model, output);
    console.log(`merged: ${join(output, "model.safetensors")}`);
  }
  const modelDir = merge ? output : model;
  const log = (line: string): void => console.error(line);
  const manifest = await exportOnnx({ modelDir, outputDir: output, dtypes: dtype, ...limits, onProgress, log });
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
  for (const { dtype: form, cosine } of check.cosines) {
    console.log(`check: cosine of ${form} to fp32 logits ${cosine.toFixed(5)}`);
  }
  if (pairs !== undefined) {
    const process = (await readRewardModelFile(modelDir)) !== undefined;
    const dtypes = dtype.filter((name) => name !== "fp32");
    const accuracy = await reportAccuracy({ exportDir: output, config, tokenizer, pairs, dtypes, process });
    await writeJson(join(output, REPORT_FILE), accuracy);
    console.log(formatAccuracy(accuracy));
  }
} catch (error) {
  reportFailure(error);
} finally {
  progress?.stop();
}
