// The output folder before a run: is there an unfinished run, and what of an earlier one must go. The trainer state beside the model
// means finished; a checkpoint has its own inside.

import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { InputError } from "../../../shared/errors.ts";
import { REWARD_MODEL_FILE } from "../../../shared/process-reward.ts";
import { TRAINER_STATE_FILE } from "../../io/trainer-state.ts";
import { writeJson } from "../../io/write-text.ts";
import { checkpointDir, listCheckpoints } from "./checkpoint.ts";
import type { RunOptions } from "./run-options.ts";

/**
 * Step of the newest checkpoint when resuming, else 0. Throws InputError for an unfinished run that is neither resumed nor to be
 * overwritten. Changes nothing.
 */
export async function firstStep(outputDir: string, run: RunOptions): Promise<number> {
  const newest = (await listCheckpoints(outputDir)).at(-1);
  if (run.resume === true) {
    if (newest === undefined) run.log?.("no checkpoint to resume from; starting at step 0");
    return newest ?? 0;
  }
  if (newest === undefined || run.overwrite === true || existsSync(join(outputDir, TRAINER_STATE_FILE))) return 0;
  throw unfinishedRun(outputDir, `an unfinished run lies there (checkpoint-${newest})`);
}

/** What refuses a folder whose run is neither resumed nor to be overwritten. */
export function unfinishedRun(outputDir: string, what: string): InputError {
  const fix = "Continue it with --resume, start anew with --overwrite, or choose another --output.";
  return new InputError({ code: "unfinished_run", what, where: outputDir, fix });
}

/**
 * Makes the folder ready for the steps after `first`: deletes what says that an earlier run finished, how, and that it made a reward model;
 * its checkpoints too, unless the run goes on from one of them. Then writes the settings.
 */
export async function beginRunFolder(
  outputDir: string,
  first: number,
  settings: { file: string; json: Readonly<Record<string, unknown>> },
): Promise<void> {
  for (const file of [
    TRAINER_STATE_FILE,
    REWARD_MODEL_FILE,
    "all_results.json",
    "train_results.json",
    "eval_results.json",
  ])
    await rm(join(outputDir, file), { force: true });
  if (first === 0)
    for (const step of await listCheckpoints(outputDir)) await rm(checkpointDir(outputDir, step), { recursive: true });
  await writeJson(join(outputDir, settings.file), settings.json);
}
