// What a checkpoint keeps of a run beside weights and optimizer, and whether a run may go on from it: the same settings and data give the
// same curve, others do not.

import { z } from "zod";
import { ArtifactError, InputError } from "../../../shared/errors.ts";
import type { AdamWState } from "../../optim/adamw.ts";
import { loadCheckpointState } from "./checkpoint.ts";

/** Settings that may differ between a run and its resumption without changing its curve, whatever is trained. */
const FREE_TO_CHANGE = ["output_dir", "logging_steps", "save_steps", "save_total_limit", "eval_steps", "backend"];

/** The state of a run whose steps have such figures; recipes add to it. */
export function runStateSchema<F>(figures: z.ZodType<F>) {
  return z.object({
    tokens: z.number(),
    /** Sum of the steps' losses, for the mean over the whole run. */
    loss_sum: z.number(),
    /** Time in the steps, without evaluation and checkpoints, over all processes of the run. */
    step_ms: z.number(),
    /** Figures since the last line of the log, which a resumed run goes on summing. */
    window: figures,
    config: z.record(z.string(), z.unknown()),
    /** Evaluation before the first step. */
    before: z.record(z.string(), z.number()),
  });
}

export interface RunState<F> {
  tokens: number;
  loss_sum: number;
  step_ms: number;
  window: F;
  config: Record<string, unknown>;
  before: Record<string, number>;
}

/** The state of a run at step 0; `config` as it is written to disk. */
export function newRunState<F>(none: F, config: Record<string, unknown>): RunState<F> {
  return { tokens: 0, loss_sum: 0, step_ms: 0, window: none, config, before: {} };
}

/** Something a run depends on, by the field that a checkpoint keeps its hash in. */
export interface SameAsBefore {
  field: string;
  hash: string | null;
  /** For the message: `the training data`. */
  name: string;
  /** For the message: `the data`. */
  restore: string;
}

/**
 * State and optimizer of a checkpoint. Throws ArtifactError for a damaged one, InputError for the first setting (those in `free` excepted) or
 * hash that differs.
 */
export async function loadRunState<S extends RunState<unknown>>(
  checkpoint: string,
  schema: z.ZodType<S>,
  now: { config: Readonly<Record<string, unknown>>; free: readonly string[]; same: readonly SameAsBefore[] },
): Promise<{ state: S; optimizer: AdamWState }> {
  const { state: json, optimizer } = await loadCheckpointState(checkpoint);
  const parsed = schema.safeParse(json);
  if (!parsed.success)
    throw new ArtifactError({
      code: "bad_checkpoint",
      what: "the run's state is damaged, or that of another kind of training",
      where: checkpoint,
      fix: "Delete this checkpoint and resume again, or choose another --output.",
      cause: parsed.error,
    });
  const state = parsed.data;
  checkSameSettings(state.config, now, checkpoint);
  const kept = new Map<string, unknown>(Object.entries(state));
  const changed = now.same.find(({ field, hash }) => kept.get(field) !== hash);
  if (changed === undefined) return { state, optimizer };
  const fix = `Restore ${changed.restore}, or start anew without --resume.`;
  throw new InputError({ code: "resume_mismatch", what: `${changed.name} changed`, where: checkpoint, fix });
}

/** Throws InputError for the first setting that differs from the run to resume, those excepted that change nothing of it. */
export function checkSameSettings(
  saved: Readonly<Record<string, unknown>>,
  now: { config: Readonly<Record<string, unknown>>; free: readonly string[] },
  where: string,
): void {
  const free = new Set([...FREE_TO_CHANGE, ...now.free]);
  for (const [name, value] of Object.entries(now.config)) {
    const before = JSON.stringify(saved[name] ?? null); // a setting that the run did not know was not used
    if (free.has(name) || before === JSON.stringify(value)) continue;
    const what = `"${name}" is ${JSON.stringify(value)}, the run to resume had ${before}`;
    const fix =
      "Resume with the same settings (without flags they are the run's own), or start anew with --overwrite in place of --resume.";
    throw new InputError({ code: "resume_mismatch", what, where, fix });
  }
}
