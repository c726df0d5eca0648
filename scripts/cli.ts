// What every command does with an error and with Ctrl-C.

import { StepwiseError } from "../src/shared/errors.ts";
import { isDiskFull } from "../src/train/io/disk-full.ts";

/** Exit code of a process that was interrupted, as shells have it. */
const INTERRUPTED = 130;

/** One line for an error that a user can mend: thrown on purpose, or by the file system; undefined for a fault of the program. */
export function failureLine(error: unknown): string | undefined {
  if (error instanceof StepwiseError) return `error: ${error.message}`;
  // a write to an open file has no path
  if (isDiskFull(error) && error instanceof Error) return `error: ${error.message}. Free some space.`;
  if (!(error instanceof Error && "syscall" in error && "path" in error && "code" in error)) return undefined;
  return `error: ${error.message}. Check the path, and that you may read and write there.`;
}

/** Prints an error for a person and sets the exit code: 130 when the run was interrupted, 0 when nothing was left to do, else 1. */
export function reportFailure(error: unknown): void {
  const code = error instanceof StepwiseError ? error.code : undefined;
  if (error instanceof StepwiseError && code === "run_finished") console.log(error.message);
  else console.error(failureLine(error) ?? error);
  process.exitCode = code === "run_finished" ? 0 : code === "interrupted" ? INTERRUPTED : 1;
}

/** A signal that the first Ctrl-C (or SIGTERM) aborts, so that the work can be saved; a second one ends the process. */
export function stopOnInterrupt(): AbortSignal {
  const controller = new AbortController();
  onInterrupt(() => {
    console.error("stopping where the work can be continued; press Ctrl-C again to stop at once");
    controller.abort();
  });
  return controller.signal;
}

/** Stops a server on Ctrl-C (or SIGTERM), and then the process; a second one ends it at once. */
export function stopOnSignal(stop: () => Promise<void>): void {
  onInterrupt(() => {
    stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  });
}

/** Ctrl-C (or SIGTERM) ends a process that has nothing to save, and deletes what it has in temporary folders. */
export function endOnInterrupt(): void {
  onInterrupt(() => process.exit(INTERRUPTED));
}

/** Does `stop` on Ctrl-C (or SIGTERM). A second one ends the process by its own exit, on which temporary folders are deleted. */
export function onInterrupt(stop: () => void): void {
  let isStopping = false;
  const hear = (): void => {
    if (isStopping) process.exit(INTERRUPTED);
    isStopping = true;
    stop();
  };
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, hear);
}
