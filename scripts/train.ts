// npm run train: stepwise DPO from a config file and flags; with --online, rounds of sampling and updates. Ctrl-C saves a checkpoint
// first; a second one stops at once.

import { Command } from "commander";
import { InputError } from "../src/shared/errors.ts";
import { readJson } from "../src/train/io/read-json.ts";
import { outputDirOf, resolveTrainConfig, type TrainConfig } from "../src/train/recipes/dpo/config.ts";
import { withConvertedData } from "../src/train/recipes/dpo/converted-data.ts";
import { type TrainRun, trainStepwiseDpo } from "../src/train/recipes/dpo/recipe.ts";
import { FREE_SETTINGS } from "../src/train/recipes/dpo/run-state.ts";
import { refuseOfflineSettings } from "../src/train/recipes/online/offline-settings.ts";
import { trainOnline } from "../src/train/recipes/online/recipe.ts";
import { type GivenOnlineSettings, resolveOnlineSettings } from "../src/train/recipes/online/settings.ts";
import { savedOnlineSettings } from "../src/train/recipes/online/state.ts";
import { checkResumable, savedSettings } from "../src/train/recipes/run/resume.ts";
import { TRAIN_CONFIG_FILE } from "../src/train/recipes/run/run-folder.ts";
import { flagOf, settingsToJson } from "../src/train/recipes/run/settings.ts";
import { reportFailure, stopOnInterrupt } from "./cli.ts";
import { hubDataFiles } from "./hub-data.ts";
import { addOnlineFlags, onlineFlags } from "./online-flags.ts";
import { addTrainFlags, trainFlags } from "./train-flags.ts";

const command = addOnlineFlags(addTrainFlags(new Command("npm run train --")))
  .description("Tune a T5 by stepwise DPO; writes the model, checkpoints, metrics, a model card and ONNX files.")
  .option("--overwrite", "start anew where an unfinished run lies", false)
  .option("--no-export", "do not write ONNX files")
  .allowExcessArguments(false)
  .parse();
interface Flags {
  config?: string;
  online: boolean;
  resume: boolean;
  overwrite: boolean;
  export: boolean;
}
const flags = command.opts<Flags>();

type Run = Required<Pick<TrainRun, "resume" | "overwrite" | "exportOnnx" | "signal" | "log">>;

async function offline(config: TrainConfig, run: Run): Promise<void> {
  if (run.resume)
    await checkResumable(config.outputDir, TRAIN_CONFIG_FILE, { config: settingsToJson(config), free: FREE_SETTINGS });
  const [misplaced] = Object.keys(onlineFlags(command));
  if (misplaced !== undefined)
    throw new InputError({
      code: "online_flag",
      what: `${flagOf(misplaced)} belongs to online training`,
      where: "command line",
      fix: "Add --online, or leave it out.",
    });
  const result = await trainStepwiseDpo(config, run);
  for (const [name, after] of Object.entries(result.after))
    console.log(`${name}: ${result.before[name]?.toFixed(4) ?? "-"} -> ${after.toFixed(4)}`);
  console.log(`model: ${result.outputDir} (${result.steps} steps)`);
}

/** The config with data of the Hub converted into the run's folder, which the run then has as its data; any other as it is. */
async function withHubData(config: TrainConfig): Promise<TrainConfig> {
  const files = await hubDataFiles(config.data);
  return files === undefined ? config : withConvertedData(config, files, console.log);
}

async function online(config: TrainConfig, run: Run, saved: GivenOnlineSettings = {}): Promise<void> {
  refuseOfflineSettings(trainFlags(command), config);
  const training = { lossType: config.lossType, hasRewardModel: config.rewardModel !== null };
  const result = await trainOnline(config, resolveOnlineSettings({ ...saved, ...onlineFlags(command) }, training), run);
  console.log(`model: ${result.outputDir} (${result.rounds.length} rounds)`);
}

try {
  const fileJson =
    flags.config === undefined
      ? undefined
      : await readJson(flags.config, { error: InputError, fix: "Check --config." });
  const outputDir = outputDirOf(fileJson, trainFlags(command));
  const begunOnline = flags.resume && flags.online ? await savedOnlineSettings(outputDir) : undefined;
  const begun = flags.resume && !flags.online ? await savedSettings(outputDir, TRAIN_CONFIG_FILE) : begunOnline?.train;
  const config = resolveTrainConfig(fileJson, trainFlags(command), flags.config, begun);
  const run = {
    resume: flags.resume,
    overwrite: flags.overwrite,
    exportOnnx: flags.export,
    signal: stopOnInterrupt(),
    log: console.log,
  };
  await (flags.online ? online(config, run, begunOnline?.online) : offline(await withHubData(config), run));
} catch (error) {
  reportFailure(error);
}
process.exit(); // TensorFlow's worker threads would keep the process alive
