// A checkpoint is a model folder with the optimizer's moments and the position in the data beside it: all that a resumed run needs to
// continue on the same curve. It is written under a temporary name and renamed, so a folder called checkpoint-N is always whole.

import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { ArtifactError } from "../../../shared/errors.ts";
import { diskFull, isDiskFull } from "../../io/disk-full.ts";
import type { Parameters } from "../../model/parameters.ts";
import type { AdamWState } from "../../optim/adamw.ts";
import { type Model, saveModel } from "../../store/model-folder.ts";
import { openSafetensors, writeSafetensors } from "../../store/safetensors.ts";

const OPTIMIZER_FILE = "optimizer.safetensors";
const STATE_FILE = "training_state.json";

/** Path of checkpoint N in a run's folder. */
export function checkpointDir(runDir: string, step: number): string {
  return join(runDir, `checkpoint-${step}`);
}

/** Steps of the whole checkpoints in a run's folder, ascending. */
export async function listCheckpoints(runDir: string): Promise<number[]> {
  const names = await readdir(runDir).catch(() => []);
  const steps = names.flatMap((name) => {
    const match = /^checkpoint-(\d+)$/.exec(name);
    return match === null ? [] : [Number(match[1])];
  });
  return steps.sort((a, b) => a - b);
}

/** The weights of a checkpoint: all of them, or what a recipe saves in its own way. */
export type CheckpointModel = { from: Model; parameters: Parameters } | { save: (dir: string) => Promise<void> };

/** Writes checkpoint `step`; `state` is plain JSON of the recipe's own (data position, random state, totals). */
export async function saveCheckpoint(
  runDir: string,
  step: number,
  content: CheckpointModel & { optimizer: AdamWState; state: unknown },
): Promise<void> {
  const dir = checkpointDir(runDir, step);
  const temporary = `${dir}.tmp`;
  await rm(temporary, { recursive: true, force: true });
  try {
    await mkdir(temporary, { recursive: true });
    await ("save" in content ? content.save(temporary) : saveModel(temporary, content.from, content.parameters));
    const moments = Object.entries(content.optimizer.moments).flatMap(([name, { m, v }]) => [
      { name: `m.${name}`, shape: [m.length], data: m },
      { name: `v.${name}`, shape: [v.length], data: v },
    ]);
    await writeSafetensors(join(temporary, OPTIMIZER_FILE), moments, {
      format: "pt",
      step: String(content.optimizer.step),
    });
    await writeFileAtomic(
      join(temporary, STATE_FILE),
      `${JSON.stringify({ optimizer_step: content.optimizer.step, state: content.state }, null, 2)}\n`,
    ); // on the disk before the folder has its name
    await rm(dir, { recursive: true, force: true });
    await rename(temporary, dir);
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true }); // a full disk gets its space back
    throw isDiskFull(cause) ? diskFull(dir, cause, "Free some space, then run the same command with --resume.") : cause;
  }
}

/** Reads what `saveCheckpoint` wrote beside the model. Throws ArtifactError when a file is missing or damaged. */
export async function loadCheckpointState(dir: string): Promise<{ optimizer: AdamWState; state: unknown }> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(await readFile(join(dir, STATE_FILE), "utf8"));
  } catch (cause) {
    throw new ArtifactError({
      code: "bad_checkpoint",
      what: `${STATE_FILE} cannot be read`,
      where: dir,
      fix: "Delete this checkpoint and resume from an earlier one.",
      cause,
    });
  }
  if (
    typeof parsed !== "object" ||
    parsed === null ||
    !("optimizer_step" in parsed) ||
    !("state" in parsed) ||
    typeof parsed.optimizer_step !== "number"
  ) {
    throw new ArtifactError({
      code: "bad_checkpoint",
      what: `${STATE_FILE} has no optimizer_step or state`,
      where: dir,
      fix: "Delete this checkpoint and resume from an earlier one.",
    });
  }
  const reader = await openSafetensors(join(dir, OPTIMIZER_FILE));
  try {
    const moments: AdamWState["moments"] = {};
    for (const name of reader.names) {
      if (!name.startsWith("m.")) continue;
      const parameter = name.slice(2);
      moments[parameter] = { m: await reader.readFloat32(name), v: await reader.readFloat32(`v.${parameter}`) };
    }
    return { optimizer: { step: parsed.optimizer_step, moments }, state: parsed.state };
  } finally {
    await reader.close();
  }
}

/** Deletes all but the newest `keep` checkpoints. */
export async function pruneCheckpoints(runDir: string, keep: number): Promise<void> {
  const steps = await listCheckpoints(runDir);
  for (const step of steps.slice(0, Math.max(0, steps.length - keep)))
    await rm(checkpointDir(runDir, step), { recursive: true, force: true });
}
