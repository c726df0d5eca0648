// The output folder before a run: is there an unfinished run, and what of an earlier one must go. The trainer state beside the model
// means finished; a checkpoint has its own inside.

import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { InputError } from "../../../shared/errors.ts";
import { REWARD_MODEL_FILE } from "../../../shared/process-reward.ts";
import { TRAINER_STATE_FILE } from "../../io/trainer-state.ts";
import { checkpointDir, listCheckpoints } from "./checkpoint.ts";

/**
 * Step of the newest checkpoint when resuming, else 0. Throws InputError for an unfinished run that is neither resumed nor to be
 * overwritten. Changes nothing.
 */
export async function firstStep(outputDir: string, run: { resume: boolean; overwrite: boolean }): Promise<number> {
  const newest = (await listCheckpoints(outputDir)).at(-1);
  if (newest === undefined || run.resume) return newest ?? 0;
  if (run.overwrite || existsSync(join(outputDir, TRAINER_STATE_FILE))) return 0;
  throw new InputError({
    code: "unfinished_run",
    what: `an unfinished run lies there (checkpoint-${newest})`,
    where: outputDir,
    fix: "Continue it with --resume, start anew with --overwrite, or choose another --output.",
  });
}

/** Deletes what says that an earlier run finished, how, and that it made a reward model; its checkpoints too unless the run goes on from one of them. */
export async function clearEarlierRun(outputDir: string, resume: boolean): Promise<void> {
  for (const file of [
    TRAINER_STATE_FILE,
    REWARD_MODEL_FILE,
    "all_results.json",
    "train_results.json",
    "eval_results.json",
  ])
    await rm(join(outputDir, file), { force: true });
  if (resume) return;
  for (const step of await listCheckpoints(outputDir)) await rm(checkpointDir(outputDir, step), { recursive: true });
}
