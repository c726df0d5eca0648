// A training and what follows it: the trained folder gets its ONNX files, with a bar, and can be stopped on the way.

import { createProgress } from "../../io/progress.ts";
import { exportOnnx } from "../../onnx/export/export-onnx.ts";
import { interrupted, interruptedExport } from "./run-errors.ts";
import { withRunLock } from "./run-lock.ts";
import type { RunOptions } from "./run-options.ts";

/** Trains into `outputDir`, which no other run may write to meanwhile, then exports it. A stop before the first step becomes CapacityError "interrupted". */
export async function trainAndExport<T>(outputDir: string, run: RunOptions, train: () => Promise<T>): Promise<T> {
  try {
    return await withRunLock(outputDir, async () => {
      const result = await train();
      if (run.exportOnnx !== false) await exportResult(outputDir, run.signal);
      return result;
    });
  } catch (error) {
    throw isStop(error, run.signal) ? interrupted(0, outputDir) : error;
  }
}

/** Exports the folder. Throws the exporter's errors; CapacityError "interrupted" on the signal. */
export async function exportResult(outputDir: string, signal: AbortSignal | undefined): Promise<void> {
  const bar = createProgress({ title: "export (%)", total: 100 });
  const onProgress = (done: number, total: number): void => {
    signal?.throwIfAborted();
    bar.update(Math.floor((100 * done) / total));
  };
  try {
    await exportOnnx({ modelDir: outputDir, onProgress });
  } catch (error) {
    throw isStop(error, signal) ? interruptedExport(outputDir) : error;
  } finally {
    bar.stop();
  }
}

/** Whether `error` is what an aborted signal throws. */
export function isStop(error: unknown, signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true && error === signal.reason;
}
