// Whether a run may go on from a checkpoint: its state is whole, and its settings and data are those of now. The same settings and data
// give the same curve, others do not.

import type { z } from "zod";
import { ArtifactError, InputError } from "../../../shared/errors.ts";

/** The run's part of a checkpoint's state. Throws ArtifactError where it does not fit the schema. */
export function parseRunState<T>(schema: z.ZodType<T>, state: unknown, checkpoint: string): T {
  const parsed = schema.safeParse(state);
  if (parsed.success) return parsed.data;
  throw new ArtifactError({
    code: "bad_checkpoint",
    what: "the run's state is damaged, or that of another kind of training",
    where: checkpoint,
    fix: "Delete this checkpoint and resume again, or choose another --output.",
    cause: parsed.error,
  });
}

/** Throws InputError for the first setting that differs, those in `free` excepted. */
export function checkSameSettings(
  saved: Readonly<Record<string, unknown>>,
  now: Readonly<Record<string, unknown>>,
  free: ReadonlySet<string>,
  checkpoint: string,
): void {
  for (const [name, value] of Object.entries(now)) {
    const before = JSON.stringify(saved[name] ?? null); // a setting that the run did not know was not used
    if (free.has(name) || before === JSON.stringify(value)) continue;
    const what = `"${name}" is ${JSON.stringify(value)}, the run to resume had ${before}`;
    throw resumeMismatch(what, "Resume with the same settings, or start anew without --resume.", checkpoint);
  }
}

/** What differs from the run to resume, and how to mend it. */
export function resumeMismatch(what: string, fix: string, checkpoint: string): InputError {
  return new InputError({ code: "resume_mismatch", what, where: checkpoint, fix });
}
