// trainer_state.json and *_results.json in the shapes of transformers (trainer_callback.py TrainerState, trainer.py save_metrics),
// so that the tools that read those files read ours.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { ArtifactError } from "../../shared/errors.ts";
import { readJson } from "./read-json.ts";
import { writeJson } from "./write-text.ts";

export const TRAINER_STATE_FILE = "trainer_state.json";

/** One log entry: step, epoch (fractional) and metrics by name; a metric that was not finite is null. */
export type LogEntry = { step: number; epoch: number } & Record<string, number | null>;

const logEntrySchema = z
  .record(z.string(), z.number().nullable())
  .refine((entry): entry is LogEntry => typeof entry.step === "number" && typeof entry.epoch === "number", {
    error: "no step or no epoch",
  });

const trainerStateSchema = z.object({
  global_step: z.number().int().nonnegative(),
  epoch: z.number().nonnegative(),
  max_steps: z.number().int(),
  num_train_epochs: z.number(),
  train_batch_size: z.number().int().positive(),
  logging_steps: z.number().int().positive(),
  save_steps: z.number().int().positive(),
  eval_steps: z.number().int().positive().nullable(),
  best_metric: z.number().nullable(),
  best_global_step: z.number().int().nullable(),
  best_model_checkpoint: z.string().nullable(),
  is_world_process_zero: z.literal(true),
  is_local_process_zero: z.literal(true),
  log_history: z.array(logEntrySchema),
});
export type TrainerState = z.infer<typeof trainerStateSchema>;

/** Parses one line of a metrics log; undefined when it is not a log entry. */
export function parseLogEntry(line: string): LogEntry | undefined {
  try {
    const parsed = logEntrySchema.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** Parses trainer_state.json. Throws ArtifactError naming the field. */
function parseTrainerState(json: unknown, where = TRAINER_STATE_FILE): TrainerState {
  const parsed = trainerStateSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new ArtifactError({
    code: "bad_trainer_state",
    what: `field "${issue?.path.join(".") ?? ""}": ${issue?.message ?? "invalid"}`,
    where,
    fix: "Resume from another checkpoint, or train anew without --resume.",
    cause: parsed.error,
  });
}

/** Writes `dir/trainer_state.json`, atomically. */
export async function writeTrainerState(dir: string, state: TrainerState): Promise<void> {
  await writeJson(join(dir, TRAINER_STATE_FILE), state);
}

/** Reads `dir/trainer_state.json`. Throws ArtifactError when it is missing, not JSON, or not a trainer state. */
export async function loadTrainerState(dir: string): Promise<TrainerState> {
  const path = join(dir, TRAINER_STATE_FILE);
  return parseTrainerState(await readJson(path, { fix: "Give the folder of a run of this trainer." }), path);
}

/**
 * Writes `dir/{split}_results.json` and merges the same metrics into `dir/all_results.json`, atomically.
 * `split` is "train" or "eval"; the metric names carry the prefix already (`train_loss`, `eval_loss`).
 */
export async function writeResults(
  dir: string,
  split: "train" | "eval",
  metrics: Readonly<Record<string, number | string | null>>,
): Promise<void> {
  await writeJson(join(dir, `${split}_results.json`), metrics);
  const path = join(dir, "all_results.json");
  const before = existsSync(path) ? await readJson(path, { fix: "Remove the damaged file." }) : {};
  await writeJson(path, { ...(typeof before === "object" ? before : {}), ...metrics });
}
