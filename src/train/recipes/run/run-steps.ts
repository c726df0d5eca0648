// The loop that every training shares: a step's gradients, clipped in the optimizer's own pass; logs, evaluations and checkpoints when they
// are due; a stop where the run can go on; an error rather than a broken model for a number that is not finite.

import { setImmediate as turnOfEventLoop } from "node:timers/promises";
import { createProgress } from "../../io/progress.ts";
import { writeResults, writeTrainerState } from "../../io/trainer-state.ts";
import type { AdamW } from "../../optim/adamw.ts";
import { applyGradients } from "../../optim/gradients.ts";
import { isEndOfProcess } from "../../optim/remote-gradients.ts";
import { type Tensor, tf } from "../../tensorflow/tensorflow.ts";
import { checkpointDir, pruneCheckpoints, saveCheckpoint } from "./checkpoint.ts";
import { isStop } from "./export-result.ts";
import { interrupted, notFinite } from "./run-errors.ts";
import { openRunLog } from "./run-log.ts";
import type { RunState } from "./run-state.ts";
import type { Schedule } from "./schedule.ts";
import type { EventFile } from "./tensorboard.ts";

/** Metrics by name. */
export type Metrics = Record<string, number>;

/** Metrics of a log entry: null where one was not finite. */
type LoggedMetrics = Readonly<Record<string, number | null>>;

/** What every training is told about its steps. */
export interface StepSettings {
  numTrainEpochs: number;
  perDeviceTrainBatchSize: number;
  maxGradNorm: number;
  /** Steps between log entries, checkpoints and evaluations. */
  loggingSteps: number;
  saveSteps: number;
  evalSteps: number | null;
  /** Checkpoints kept; null: all. */
  saveTotalLimit: number | null;
  /** Also write a checkpoint after the last step, from which a longer run can go on. Default false. */
  saveLast?: boolean;
}

/** How the figures of steps are summed (sums, not means), and what is logged of a sum: its mean `loss`, the parts of it as `*_loss`. */
export interface StepFigures<F> {
  none: F;
  add(a: F, b: F): F;
  metrics(sum: F): Metrics;
}

export interface StepRun<F extends { tokens: number }> {
  /** What the progress bar is called, and which figures of the latest steps, rate (`lr`) and evaluation it shows. */
  title: string;
  shown: readonly string[];
  outputDir: string;
  settings: StepSettings;
  schedule: Pick<Schedule, "maxSteps" | "stepsPerEpoch">;
  /** Steps that a resumed run has done before; 0 for a new one. */
  first: number;
  /** Summed up here, kept whole in each checkpoint. */
  state: RunState<F>;
  /** Stays the caller's to dispose. */
  optimizer: AdamW;
  figures: StepFigures<F>;
  /** Gradients (disposed here) and figures of step `step`, counted from 0. */
  step(step: number): StepResult<F> | Promise<StepResult<F>>;
  /** Learning rate of step `step`, counted from 0. */
  learningRate(step: number): number;
  /** Metrics under `eval_` names, `eval_loss` among them; none at all without data to evaluate on. */
  evaluate(): Promise<Metrics>;
  /** Writes a folder that loads as a model, for a checkpoint. */
  save(dir: string): Promise<void>;
  /** Writes what a finished run leaves, but for results and trainer state; `after` is the last evaluation. */
  finish(after: Metrics, events: EventFile): Promise<void>;
  signal?: AbortSignal | undefined;
}

export interface StepResult<F> {
  gradients: Record<string, Tensor>;
  figures: F;
}

/**
 * Runs the steps from `first` to the last and returns the last evaluation. Throws CapacityError "loss_not_finite"; after a checkpoint
 * "interrupted" where the signal was aborted, and "gradients_ended" where processes die.
 */
export async function runSteps<F extends { tokens: number }>(run: StepRun<F>): Promise<Metrics> {
  const { outputDir, settings, first, state, optimizer, figures, signal } = run;
  const { maxSteps, stepsPerEpoch } = run.schedule;
  const epochOf = (step: number): number => step / stepsPerEpoch;
  const { metrics, events, record } = openRunLog(outputDir, settings, { first, maxSteps, epochOf });
  const progress = createProgress({ title: run.title, total: maxSteps, initial: first });
  let done = first;
  let saved = first;
  const checkpoint = async (): Promise<void> => {
    await saveCheckpoint(outputDir, done, { save: run.save, optimizer: await optimizer.state(), state });
    await writeTrainerState(checkpointDir(outputDir, done), metrics.state({ step: done, epoch: epochOf(done) }));
    if (settings.saveTotalLimit !== null) await pruneCheckpoints(outputDir, settings.saveTotalLimit);
    saved = done;
  };
  const { log_history: history } = metrics.state();
  let evaluation: LoggedMetrics = history.findLast((entry) => "eval_loss" in entry) ?? state.before;
  const evaluate = async (): Promise<void> => {
    const values = await run.evaluate();
    if ("eval_loss" in values) record(done, values);
    evaluation = values;
  };
  const evaluationDue = (): boolean =>
    settings.evalSteps !== null && done > 0 && done % settings.evalSteps === 0 && done < maxSteps;
  try {
    // stopped during an evaluation, which need not be of a step that is logged
    const wasEvaluated = history.some((entry) => entry.step === first && "eval_loss" in entry);
    if (evaluationDue() && !wasEvaluated) await evaluate();
    while (done < maxSteps) {
      await turnOfEventLoop(); // a step is synchronous: without this, Ctrl-C would not be heard
      signal?.throwIfAborted();
      const started = performance.now();
      const result = await run.step(done);
      const own = figures.metrics(result.figures);
      const learningRate = run.learningRate(done);
      if (!lossIsFinite(own)) {
        tf.dispose(result.gradients);
        throw await notFinite("loss", done + 1, outputDir);
      }
      const { maxGradNorm } = settings;
      const gradNorm = applyGradients(optimizer, result.gradients, { maxGradNorm, learningRate });
      if (!Number.isFinite(gradNorm)) throw await notFinite("gradient", done + 1, outputDir);
      done++;
      state.tokens += result.figures.tokens;
      state.loss_sum += own.loss ?? Number.NaN;
      state.step_ms += performance.now() - started;
      state.window = figures.add(state.window, result.figures);
      const values = figures.metrics(state.window);
      progress.update(done, some({ ...evaluation, ...values, lr: learningRate, grad_norm: gradNorm }, run.shown));
      if (done % settings.loggingSteps === 0 || done === maxSteps) {
        record(done, { ...values, grad_norm: gradNorm, learning_rate: learningRate, num_tokens: state.tokens });
        state.window = figures.none;
      }
      if (evaluationDue()) await evaluate();
      // after the last step the model itself is saved
      if (done < maxSteps ? done % settings.saveSteps === 0 : settings.saveLast === true) await checkpoint();
    }
    progress.stop();
    const after = await run.evaluate();
    const isEvaluated = "eval_loss" in after;
    if (isEvaluated && !Number.isFinite(after.eval_loss)) throw await notFinite("evaluation loss", maxSteps, outputDir);
    if (isEvaluated) record(maxSteps, after);
    await run.finish(after, events);
    await writeResults(outputDir, "train", {
      train_runtime: state.step_ms / 1000,
      train_steps_per_second: (1000 * maxSteps) / state.step_ms,
      train_loss: state.loss_sum / maxSteps,
      num_tokens: state.tokens,
    });
    if (isEvaluated) await writeResults(outputDir, "eval", after);
    // last: its presence means finished
    await writeTrainerState(outputDir, metrics.state({ step: maxSteps, epoch: epochOf(maxSteps) }));
    return after;
  } catch (error) {
    const stopped = isStop(error, signal);
    // a process that died took nothing with it: the run can go on from here
    if ((stopped || isEndOfProcess(error)) && done !== saved) await checkpoint();
    throw stopped ? interrupted(done, outputDir) : error;
  } finally {
    progress.stop();
    metrics.close();
    events.close();
  }
}

function lossIsFinite(metrics: Metrics): boolean {
  const losses = Object.entries(metrics).filter(([name]) => name === "loss" || name.endsWith("_loss"));
  return losses.every(([, value]) => Number.isFinite(value));
}

/** The values of these names, in this order, as far as there are any. */
function some(values: LoggedMetrics, names: readonly string[]): Metrics {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = values[name];
      return value === undefined || value === null ? [] : [[name, value]];
    }),
  );
}
