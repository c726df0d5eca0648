// npm run train-reward: a process reward model from step labels. Ctrl-C saves a checkpoint first; a second one stops at once.

import { Command, Option } from "commander";
import { REWARD_DEFAULTS, type RewardSettings, resolveRewardConfig } from "../src/train/recipes/reward/config.ts";
import { trainRewardModel } from "../src/train/recipes/reward/recipe.ts";
import { FREE_SETTINGS } from "../src/train/recipes/reward/run-state.ts";
import { checkResumable, savedSettings } from "../src/train/recipes/run/resume.ts";
import { REWARD_CONFIG_FILE } from "../src/train/recipes/run/run-folder.ts";
import { settingsToJson } from "../src/train/recipes/run/settings.ts";
import { WEIGHT_TYPES } from "../src/train/store/safetensors.ts";
import { reportFailure, stopOnInterrupt } from "./cli.ts";
import { backendOption, fraction, givenOptions, wholeNumber } from "./flags.ts";

type Flags = Omit<RewardSettings, "outputDir" | "numTrainEpochs" | "perDeviceTrainBatchSize"> & {
  output: string;
  epochs: number;
  batchSize: number;
  resume: boolean;
  overwrite: boolean;
  export: boolean;
};

const defaults = REWARD_DEFAULTS;
const whole = wholeNumber(1);
const number = fraction(0, Number.MAX_VALUE);
const command = new Command("npm run train-reward --")
  .description("Train a process reward model; writes the model, checkpoints, metrics, a model card and ONNX files.")
  .option(
    "--model <dir|hub-id>",
    "base model, or a process reward model to go on from: a folder or a Hub id",
    defaults.model,
  )
  .option("--data <path...>", "files or folders with step labels", [...defaults.data])
  .option("--eval-data <path>", "file or folder to evaluate on (default: beside the data, else a part of it)")
  .option("--eval-fraction <x>", "part of the questions kept for evaluation", fraction(0, 1), defaults.evalFraction)
  .option("--output <dir>", "where the reward model goes", defaults.outputDir)
  .addOption(backendOption())
  .option("--seed <n>", "seed of everything random", wholeNumber(0, 0xffffffff), defaults.seed)
  .option("--epochs <x>", "passes over the data", number, defaults.numTrainEpochs)
  .option("--max-steps <n>", "optimizer steps (default: as many as the epochs have)", whole)
  .option("--batch-size <n>", "solutions a forward pass", whole, defaults.perDeviceTrainBatchSize)
  .option(
    "--gradient-accumulation-steps <n>",
    "forward passes an optimizer step",
    whole,
    defaults.gradientAccumulationSteps,
  )
  .option("--workers <n>", "processes that share each pass, for small models", wholeNumber(1, 64), defaults.workers)
  .option("--learning-rate <x>", "peak learning rate; decays linearly to 0", number, defaults.learningRate)
  .option(
    "--warmup-ratio <x>",
    "share of the steps that warm up, where --warmup-steps is 0",
    fraction(0, 1),
    defaults.warmupRatio,
  )
  .option("--warmup-steps <n>", "steps that warm up", wholeNumber(0), defaults.warmupSteps)
  .option("--weight-decay <x>", "decoupled weight decay", number, defaults.weightDecay)
  .option("--max-grad-norm <x>", "gradient norm clipped to; 0: no clipping", number, defaults.maxGradNorm)
  .option("--lm-weight <x>", "weight of the language-model loss on right steps; 0: none", number, defaults.lmWeight)
  .option(
    "--token-weight <x>",
    "weight of a verdict at every token, for solutions in one wording; 0: none",
    number,
    defaults.tokenWeight,
  )
  .option(
    "--comparison-weight <x>",
    "weight of the deep supervision in the first added layer; 0: none",
    number,
    defaults.comparisonWeight,
  )
  .option(
    "--extra-decoder-layers <n>",
    "decoder layers added on top of the base model's (already there in a process reward model)",
    wholeNumber(0, 24),
    defaults.extraDecoderLayers,
  )
  .option("--max-prompt-length <n>", "longest question, in tokens", whole, defaults.maxPromptLength)
  .option("--max-completion-length <n>", "longest solution, in tokens", whole, defaults.maxCompletionLength)
  .addOption(
    new Option("--weight-type <name>", "how the finished model keeps its weights")
      .choices(WEIGHT_TYPES)
      .default(defaults.weightType),
  )
  .option("--logging-steps <n>", "steps between log entries", whole, defaults.loggingSteps)
  .option("--save-steps <n>", "steps between checkpoints", whole, defaults.saveSteps)
  .option("--save-total-limit <n>", "checkpoints kept", whole, defaults.saveTotalLimit ?? undefined)
  .option("--eval-steps <n>", "steps between evaluations", whole, defaults.evalSteps ?? undefined)
  .option("--resume", "continue the run in --output, with its own settings, from its newest checkpoint", false)
  .option("--overwrite", "start anew where an unfinished run lies", false)
  .option("--no-export", "do not write ONNX files")
  .allowExcessArguments(false)
  .parse();
const { resume, overwrite, export: exportOnnx } = command.opts<Flags>();
// defaults are resolveRewardConfig's: a run that is resumed has settings of its own
const { output, epochs, batchSize, ...settings } = givenOptions<Flags>(command, ["resume", "overwrite", "export"]);

try {
  const outputDir = output ?? defaults.outputDir;
  const config = resolveRewardConfig(
    { ...settings, outputDir, numTrainEpochs: epochs, perDeviceTrainBatchSize: batchSize },
    resume ? await savedSettings(outputDir, REWARD_CONFIG_FILE) : undefined,
  );
  if (resume)
    await checkResumable(outputDir, REWARD_CONFIG_FILE, { config: settingsToJson(config), free: FREE_SETTINGS });
  const result = await trainRewardModel(config, {
    resume,
    overwrite,
    exportOnnx,
    signal: stopOnInterrupt(),
    log: console.log,
  });
  for (const [name, after] of Object.entries(result.after))
    console.log(`${name}: ${result.before[name]?.toFixed(4) ?? "-"} -> ${after.toFixed(4)}`);
  console.log(
    `reward model: ${result.outputDir} (${result.steps} steps); use it with --reward-model ${result.outputDir}`,
  );
} catch (error) {
  reportFailure(error);
}
process.exit(); // TensorFlow's worker threads would keep the process alive
