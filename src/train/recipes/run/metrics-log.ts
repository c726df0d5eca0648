// The metrics of a run, as they come: metrics.jsonl, one line a log entry in one write, so that a killed run loses at most a line;
// and the trainer state built from the same entries. On resume, entries after the resumed step are cut: they happen again.

import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { ArtifactError } from "../../../shared/errors.ts";
import { appendSync } from "../../io/append-sync.ts";
import { type LogEntry, parseLogEntry, type TrainerState } from "../../io/trainer-state.ts";

export const METRICS_FILE = "metrics.jsonl";

/** What trainer_state.json repeats of the config. */
export interface RunShape {
  /** Optimizer steps of the whole run. */
  maxSteps: number;
  numTrainEpochs: number;
  trainBatchSize: number;
  loggingSteps: number;
  saveSteps: number;
  evalSteps: number | null;
}

export interface MetricsLogOptions {
  run: RunShape;
  /** Keep the entries of an earlier process up to and including this step; without it the log starts empty. */
  resumeStep?: number | undefined;
}

/** The best evaluation so far; `checkpoint` is its folder. */
export interface BestModel {
  metric: number;
  step: number;
  checkpoint: string;
}

export interface MetricsLog {
  /** Appends one entry; `step` counts optimizer steps, `epoch` is fractional. Values that are not finite are written as null. */
  log(step: number, epoch: number, metrics: Readonly<Record<string, number>>): void;
  /** Notes the best model for the trainer state. */
  setBest(best: BestModel): void;
  /** The trainer state now; `step` and `epoch` default to those of the last entry. */
  state(at?: { step: number; epoch: number }): TrainerState;
  /** Flushes to disk; later calls of log throw. */
  close(): void;
}

/** Opens `dir/metrics.jsonl`; the caller closes it. Throws ArtifactError, on resume, for a line that is not a log entry. */
export function openMetricsLog(dir: string, options: MetricsLogOptions): MetricsLog {
  const { run, resumeStep } = options;
  mkdirSync(dir, { recursive: true });
  const path = join(dir, METRICS_FILE);
  const history = resumeStep === undefined ? [] : readEntries(path).filter((entry) => entry.step <= resumeStep);
  writeFileAtomic.sync(path, history.map(toLine).join(""));
  const fd = openSync(path, "a");
  let best: BestModel | undefined;
  return {
    log(step, epoch, metrics) {
      const entry: LogEntry = { step, epoch };
      for (const [name, value] of Object.entries(metrics)) entry[name] = Number.isFinite(value) ? value : null;
      appendSync(fd, toLine(entry), path);
      history.push(entry);
    },
    setBest(model) {
      best = model;
    },
    state(at) {
      const last = at ?? history.at(-1) ?? { step: resumeStep ?? 0, epoch: 0 };
      return {
        global_step: last.step,
        epoch: last.epoch,
        max_steps: run.maxSteps,
        num_train_epochs: run.numTrainEpochs,
        train_batch_size: run.trainBatchSize,
        logging_steps: run.loggingSteps,
        save_steps: run.saveSteps,
        eval_steps: run.evalSteps,
        best_metric: best?.metric ?? null,
        best_global_step: best?.step ?? null,
        best_model_checkpoint: best?.checkpoint ?? null,
        is_world_process_zero: true,
        is_local_process_zero: true,
        log_history: history.map((entry) => ({ ...entry })),
      };
    },
    close() {
      fsyncSync(fd);
      closeSync(fd);
    },
  };
}

function toLine(entry: LogEntry): string {
  return `${JSON.stringify(entry)}\n`;
}

/** Entries of an earlier process; a last line without its newline was cut by a kill and is left out. */
function readEntries(path: string): LogEntry[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
  const lines = text.split("\n").slice(0, -1);
  return lines.map((line, index) => {
    const entry = parseLogEntry(line);
    if (entry !== undefined) return entry;
    throw new ArtifactError({
      code: "bad_metrics_log",
      what: "the line is not a log entry",
      where: `${path}, line ${index + 1}`,
      fix: "Mend or delete that line; the training itself does not depend on it.",
    });
  });
}
