// npm run parity: holds a model's numbers, in TensorFlow.js and as exported ONNX, against PyTorch's. Exit 1 over tolerance.

import { Command } from "commander";
import { formatChecks, isWithin } from "../src/train/checks/parity/check.ts";
import { runParity } from "../src/train/checks/parity/run-parity.ts";
import type { BackendChoice } from "../src/train/tensorflow/backends.ts";
import { describeBackend, startTensorflow } from "../src/train/tensorflow/tensorflow.ts";
import { endOnInterrupt, reportFailure } from "./cli.ts";
import { backendOption } from "./flags.ts";

const program = new Command("npm run parity --")
  .description("Check a model's numbers against a golden file: forward, loss, gradients, AdamW, decoding, ONNX export.")
  .requiredOption("--model <dir>", "folder with config.json and model.safetensors")
  .requiredOption("--golden <file>", "golden numbers of that model, such as tests/golden/t5-v1.1/golden.json")
  .addOption(backendOption("TensorFlow.js backend"))
  .option("--no-onnx", "leave the ONNX export out")
  .allowExcessArguments(false)
  .parse();
const flags = program.opts<{ model: string; golden: string; backend: BackendChoice; onnx: boolean }>();

endOnInterrupt();
try {
  console.log(`backend: ${describeBackend(await startTensorflow(flags.backend))}`);
  const checks = await runParity({ modelDir: flags.model, goldenPath: flags.golden, onnx: flags.onnx });
  console.log(formatChecks(checks));
  const failed = checks.filter((check) => !isWithin(check));
  if (failed.length > 0) {
    console.error(`${failed.length} of ${checks.length} checks are over tolerance`);
    process.exitCode = 1;
  }
} catch (error) {
  reportFailure(error);
}
// the WebAssembly backend's threads would keep the process alive
process.exit();
