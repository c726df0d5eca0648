// npm run pretrain: makes the small base model from nothing or goes on from given weights, and writes its figures and card beside it. Ctrl-C saves a checkpoint first.

import { Command } from "commander";
import { type BaseModelConfig, makeBaseModel } from "../src/train/recipes/pretrain/base-model.ts";
import { savedSettings } from "../src/train/recipes/run/resume.ts";
import { PRETRAIN_CONFIG_FILE } from "../src/train/recipes/run/run-folder.ts";
import type { BackendChoice } from "../src/train/tensorflow/backends.ts";
import { describeBackend, startTensorflow } from "../src/train/tensorflow/tensorflow.ts";
import { reportFailure, stopOnInterrupt } from "./cli.ts";
import { backendOption, fraction, optionsOver, wholeNumber, wordsOf } from "./flags.ts";

type Flags = BaseModelConfig & { backend: BackendChoice; resume: boolean; overwrite: boolean };

const command = new Command("npm run pretrain --")
  .description("Pretrain the small base model (solve and judge word problems) from random weights, or from given ones.")
  .option("--from <dir>", "model folder to start from, with an optimizer of its own (default: random weights)")
  .option("--output-dir <dir>", "where checkpoints and the model go", "outputs/stepwise-t5-nano")
  .option("--steps <n>", "training steps", wholeNumber(1), 4000)
  .option("--batch-size <n>", "solve examples a step", wholeNumber(1), 48)
  .option("--judge-batch-size <n>", "judge examples a step", wholeNumber(1), 32)
  .option(
    "--check-batch-size <n>",
    "examples a step of a single step's arithmetic, and of its result",
    wholeNumber(1),
    96,
  )
  .option("--short-share <x>", "share of the problems that have 2 or 3 steps, the rest 2 to 6", fraction(0, 1), 0.5)
  .option(
    "--misread-share <x>",
    "of the problems with a multiplicative comparison, the share whose solution reads it as an additive one",
    fraction(0, 1),
    0,
  )
  .option("--learning-rate <x>", "peak learning rate", fraction(0, 1), 1.2e-3)
  .option("--warmup-steps <n>", "steps of warm-up", wholeNumber(1), 200)
  .option("--decay-steps <n>", "last steps, over which the rate falls to zero", wholeNumber(1), 800)
  .option("--save-steps <n>", "steps between checkpoints", wholeNumber(1), 250)
  .option("--evaluation-problems <n>", "held-out problems the result is measured on", wholeNumber(1), 500)
  .option("--seed <n>", "seed of weights and examples", wholeNumber(0), 42)
  .addOption(backendOption())
  .option(
    "--resume",
    "continue from the newest checkpoint; rates, sizes and shares are the run's own, and may be given anew",
    false,
  )
  .option("--overwrite", "start anew where an unfinished run lies", false)
  .allowExcessArguments(false)
  .parse();
const now = command.opts<Flags>();

/** Settings of a run that goes on are its own, but for those that are said now. */
async function resumed(): Promise<Flags> {
  const saved = now.resume ? await savedSettings(now.outputDir, PRETRAIN_CONFIG_FILE) : undefined;
  return saved === undefined ? now : { ...now, ...optionsOver<Flags>(command, wordsOf(command, saved)) };
}

try {
  const { backend, resume, overwrite, ...config } = await resumed();
  console.log(`backend: ${describeBackend(await startTensorflow(backend))}`);
  const report = await makeBaseModel(config, { resume, overwrite, signal: stopOnInterrupt(), log: console.log });
  console.log(JSON.stringify(report, null, 2));
} catch (error) {
  reportFailure(error);
}
process.exit(); // TensorFlow's worker threads would keep the process alive
