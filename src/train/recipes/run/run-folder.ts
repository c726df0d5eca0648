// The output folder before a run: is there an unfinished run, and what of an earlier one must go. The trainer state beside the model
// means finished; a checkpoint has its own inside. An online run keeps its state and its rounds there.

import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { InputError } from "../../../shared/errors.ts";
import { REWARD_MODEL_FILE } from "../../../shared/process-reward.ts";
import { readJson } from "../../io/read-json.ts";
import { TRAINER_STATE_FILE } from "../../io/trainer-state.ts";
import { writeJson } from "../../io/write-text.ts";
import { checkpointDir, listCheckpoints } from "./checkpoint.ts";
import { finishedRun } from "./resume.ts";
import type { RunOptions } from "./run-options.ts";

/** What an online run has done so far; it also tells that the folder is that of one. */
export const ONLINE_STATE_FILE = "online_state.json";
/** Settings of the last run of each kind, in its folder; those of another kind would tell of data that the model has not seen. */
export const TRAIN_CONFIG_FILE = "train_config.json";
export const REWARD_CONFIG_FILE = "reward_config.json";
export const ONLINE_CONFIG_FILE = "online_config.json";
export const PRETRAIN_CONFIG_FILE = "pretrain_config.json";
const CONFIG_FILES = [TRAIN_CONFIG_FILE, REWARD_CONFIG_FILE, ONLINE_CONFIG_FILE, PRETRAIN_CONFIG_FILE];

/** What lies in the folder that can still be gone on with, for a message; undefined: nothing. */
export async function unfinishedIn(outputDir: string): Promise<string | undefined> {
  if (existsSync(join(outputDir, ONLINE_STATE_FILE)))
    return (await fieldOf(join(outputDir, ONLINE_STATE_FILE), "published")) === true
      ? undefined
      : "an online run lies there";
  const newest = (await listCheckpoints(outputDir)).at(-1);
  const isDone = newest === undefined || existsSync(join(outputDir, TRAINER_STATE_FILE));
  return isDone ? undefined : `an unfinished run lies there (checkpoint-${newest})`;
}

/** A field of a JSON file; undefined where the file is not there, or holds no such field. Throws ArtifactError for a file that is no JSON. */
async function fieldOf(file: string, name: string): Promise<unknown> {
  const json = existsSync(file) ? await readJson(file, { fix: "Delete it." }) : undefined;
  return typeof json === "object" && json !== null ? new Map(Object.entries(json)).get(name) : undefined;
}

/**
 * Step of the newest checkpoint when resuming, else 0. Throws InputError for an unfinished run that is neither resumed nor to be
 * overwritten, for an online one, which goes on in its own way, and for a finished one that keeps no checkpoint. Changes nothing.
 */
export async function firstStep(outputDir: string, run: RunOptions): Promise<number> {
  const unfinished = run.overwrite === true ? undefined : await unfinishedIn(outputDir);
  const isOnline = existsSync(join(outputDir, ONLINE_STATE_FILE));
  const isOthers = isOnline && run.resume === true && run.overwrite !== true; // finished or not, it goes on in its own way
  if (isOthers || (unfinished !== undefined && run.resume !== true))
    throw unfinishedRun(
      outputDir,
      unfinished ?? "an online run lies there",
      isOnline ? "--online --resume" : "--resume",
    );
  const newest = (await listCheckpoints(outputDir)).at(-1);
  if (run.resume === true) {
    if (newest === undefined && existsSync(join(outputDir, TRAINER_STATE_FILE))) throw await finishedRun(outputDir);
    if (newest === undefined) run.log?.("no checkpoint to resume from; starting at step 0");
    return newest ?? 0;
  }
  return 0;
}

/** What refuses a folder whose run is neither resumed nor to be overwritten; `flags` continue it. */
export function unfinishedRun(outputDir: string, what: string, flags = "--resume"): InputError {
  const fix = `Continue it with ${flags}, start anew with --overwrite, or choose another --output.`;
  return new InputError({ code: "unfinished_run", what, where: outputDir, fix });
}

/**
 * Refuses a folder that holds somebody's unfinished run, for a command that always starts anew there; an unfinished run of the command
 * itself, known by its training data or an online run's problems, may go. Throws InputError that says how to go on with either.
 */
export async function refuseForeignRun(outputDir: string, own: { command: string; data: string }): Promise<void> {
  const unfinished = await unfinishedIn(outputDir);
  if (unfinished === undefined) return;
  const isOnline = existsSync(join(outputDir, ONLINE_STATE_FILE));
  const [config, source] = isOnline ? [ONLINE_CONFIG_FILE, "problem_source"] : [TRAIN_CONFIG_FILE, "data"];
  if ((await fieldOf(join(outputDir, config), source)) === own.data) return;
  throw new InputError({
    code: "unfinished_run",
    what: `${unfinished}, and ${own.command} writes its model to that folder`,
    where: outputDir,
    fix:
      `Finish that run first (its own command with ${isOnline ? "--online " : ""}--resume), or set it aside: ` +
      `mv ${outputDir} ${outputDir}.kept; it goes on from there with --output ${outputDir}.kept --resume.`,
  });
}

/**
 * Makes the folder ready for the steps after `first`: deletes what says that an earlier run finished, how, and that it made a reward model;
 * its checkpoints too, unless the run goes on from one of them, and what an online run kept, unless this is one. Then writes the settings.
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
    "samples.json",
    ...CONFIG_FILES.filter((file) => file !== settings.file),
  ])
    await rm(join(outputDir, file), { force: true });
  if (settings.file !== ONLINE_CONFIG_FILE)
    for (const name of [ONLINE_STATE_FILE, "rounds"]) await rm(join(outputDir, name), { recursive: true, force: true });
  if (first === 0)
    for (const step of await listCheckpoints(outputDir)) await rm(checkpointDir(outputDir, step), { recursive: true });
  await writeJson(join(outputDir, settings.file), settings.json);
}
