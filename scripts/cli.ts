// What every command does with an error and with Ctrl-C.

import { StepwiseError } from "../src/shared/errors.ts";

/** Prints an error for a person and sets the exit code: 130 when the run was interrupted, else 1. */
export function reportFailure(error: unknown): void {
  console.error(error instanceof StepwiseError ? `error: ${error.message}` : error);
  process.exitCode = error instanceof StepwiseError && error.code === "interrupted" ? 130 : 1;
}

/** A signal that the first Ctrl-C (or SIGTERM) aborts, so that the work can be saved; a second one ends the process. */
export function stopOnInterrupt(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.once(name, () => {
      console.error("stopping after this step; press Ctrl-C again to stop at once");
      controller.abort();
    });
  }
  return controller.signal;
}
