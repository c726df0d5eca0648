// How a run ends before its time, and what its owner can do then.

import { CapacityError } from "../../../shared/errors.ts";
import { checkpointDir, listCheckpoints } from "./checkpoint.ts";

/** The loss or the gradient overflowed in step `step` (from 1); names the last checkpoint. */
export async function notFinite(name: string, step: number, outputDir: string): Promise<CapacityError> {
  const last = (await listCheckpoints(outputDir)).at(-1);
  const good = last === undefined ? "No checkpoint was written yet." : `The last good one is checkpoint-${last}.`;
  return new CapacityError({
    code: "loss_not_finite",
    what: `the ${name} is not a finite number`,
    where: `step ${step}`,
    fix: `Lower --learning-rate or --max-grad-norm. ${good}`,
  });
}

/** Ctrl-C after step `step`, whose checkpoint is written; 0: before the first. */
export function interrupted(step: number, outputDir: string): CapacityError {
  if (step === 0) return stopped("stopped before the first step", outputDir, "Run the same command again.");
  const fix = "Run the same command with --resume to continue.";
  return stopped(`stopped after step ${step}`, checkpointDir(outputDir, step), fix);
}

/** Ctrl-C while steps were scored. */
export function interruptedScoring(done: number, total: number): CapacityError {
  const what = `stopped while scoring, ${done} of ${total} completions done and kept`;
  return stopped(what, undefined, "Run the same command again: it scores the rest.");
}

/** Ctrl-C while ONNX files were written: everything else is there. */
export function interruptedExport(outputDir: string): CapacityError {
  const fix = `The model is trained and saved; write its ONNX files with: npm run export -- --model ${outputDir}`;
  return stopped("stopped while exporting", outputDir, fix);
}

function stopped(what: string, where: string | undefined, fix: string): CapacityError {
  return new CapacityError({ code: "interrupted", what, where, fix });
}
