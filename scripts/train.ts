// npm run train: stepwise DPO from a config file and flags. Ctrl-C saves a checkpoint first; a second one stops at once.

import { Command } from "commander";
import { InputError } from "../src/shared/errors.ts";
import { readJson } from "../src/train/io/read-json.ts";
import { resolveTrainConfig } from "../src/train/recipes/dpo/config.ts";
import { trainStepwiseDpo } from "../src/train/recipes/dpo/recipe.ts";
import { reportFailure, stopOnInterrupt } from "./cli.ts";
import { addTrainFlags, trainFlags } from "./train-flags.ts";

const command = addTrainFlags(new Command("npm run train --"))
  .description("Tune a T5 by stepwise DPO; writes the model, checkpoints, metrics, a model card and ONNX files.")
  .option("--overwrite", "start anew where an unfinished run lies", false)
  .option("--no-export", "do not write ONNX files")
  .allowExcessArguments(false)
  .parse();
const flags = command.opts<{ config?: string; resume: boolean; overwrite: boolean; export: boolean }>();

try {
  const fileJson =
    flags.config === undefined
      ? undefined
      : await readJson(flags.config, { error: InputError, fix: "Check --config." });
  const config = resolveTrainConfig(fileJson, trainFlags(command), flags.config);
  const result = await trainStepwiseDpo(config, {
    resume: flags.resume,
    overwrite: flags.overwrite,
    exportOnnx: flags.export,
    signal: stopOnInterrupt(),
    log: console.log,
  });
  for (const [name, after] of Object.entries(result.after))
    console.log(`${name}: ${result.before[name]?.toFixed(4) ?? "-"} -> ${after.toFixed(4)}`);
  console.log(`model: ${result.outputDir} (${result.steps} steps)`);
} catch (error) {
  reportFailure(error);
}
process.exit(); // TensorFlow's worker threads would keep the process alive
