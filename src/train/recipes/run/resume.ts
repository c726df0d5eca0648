// What `--resume` takes up: the settings that the run in the folder was begun with, which it keeps in a file there. What the command line
// says now beats them only where that leaves the run's curve as it is, and a run that is finished is left alone.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { ArtifactError, InputError } from "../../../shared/errors.ts";
import { readJson } from "../../io/read-json.ts";
import { loadTrainerState, TRAINER_STATE_FILE } from "../../io/trainer-state.ts";
import { listCheckpoints } from "./checkpoint.ts";
import { checkSameSettings } from "./run-state.ts";

export type SavedSettings = Readonly<Record<string, unknown>>;

/**
 * Settings of the run in the folder, as `file` there has them; undefined where none of this kind was begun. Where the folder was moved, its
 * new name is the run's. Throws ArtifactError for a file that is damaged.
 */
export async function savedSettings(outputDir: string, file: string): Promise<SavedSettings | undefined> {
  const path = join(outputDir, file);
  if (!existsSync(path)) return undefined;
  const fix = "Start anew with --overwrite in place of --resume.";
  const json = await readJson(path, { fix });
  if (typeof json === "object" && json !== null && !Array.isArray(json)) return { ...json, output_dir: outputDir };
  throw new ArtifactError({ code: "bad_settings", what: `${file} is not a JSON object`, where: path, fix });
}

/**
 * Throws InputError "resume_mismatch" for the first setting that a begun run would not have had, and "run_finished" where nothing is left
 * to do. A run without a checkpoint may still change: it starts at step 0.
 */
export async function checkResumable(
  outputDir: string,
  file: string,
  now: { config: SavedSettings; free: readonly string[] },
): Promise<void> {
  const saved = await savedSettings(outputDir, file);
  const isFinished = existsSync(join(outputDir, TRAINER_STATE_FILE));
  if (saved === undefined && isFinished) {
    const what = "a finished run lies there, of another kind than the one to resume";
    const fix = "Choose another --output, or start anew with --overwrite in place of --resume.";
    throw new InputError({ code: "no_such_run", what, where: outputDir, fix });
  }
  if (saved === undefined) return;
  if (isFinished || (await listCheckpoints(outputDir)).length > 0) checkSameSettings(saved, now, join(outputDir, file));
  if (isFinished) throw await finishedRun(outputDir);
}

/** What tells that the run in the folder has done all its steps; `fix` says what else can be done there. */
export async function finishedRun(
  outputDir: string,
  fix = `To train on from its model: --model ${outputDir} and another --output. To start anew: --overwrite in place of --resume.`,
): Promise<InputError> {
  const { global_step: steps } = await loadTrainerState(outputDir);
  return new InputError({
    code: "run_finished",
    what: `nothing to resume: the run is finished (${steps} steps)`,
    where: outputDir,
    fix,
  });
}
