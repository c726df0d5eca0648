// Stepwise DPO, or another loss of the family, from a config to a tuned model on disk, top to bottom: resolve and load, score once, the
// reference's log-probs once, train with logs and checkpoints, evaluate, save, export. A run that was stopped continues with `resume` on the same curve.

import { mkdir } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { setImmediate as turnOfEventLoop } from "node:timers/promises";
import writeFileAtomic from "write-file-atomic";
import { createProgress, type Progress } from "../../io/progress.ts";
import { writeTrainerState } from "../../io/trainer-state.ts";
import { needsScores } from "../../loss/settings.ts";
import type { Parameters } from "../../model/parameters.ts";
import { createAdamW } from "../../optim/adamw.ts";
import { resolveModelWithProgress } from "../../store/hub/resolve-model-with-progress.ts";
import { loadModel, loadTokenizer } from "../../store/model-folder.ts";
import { describeBackend, startTensorflow, tf } from "../../tensorflow/tensorflow.ts";
import { checkpointDir, pruneCheckpoints, saveCheckpoint } from "../run/checkpoint.ts";
import { exportResult, isStop } from "../run/export-result.ts";
import { interrupted, notFinite } from "../run/run-errors.ts";
import { clearEarlierRun, firstStep } from "../run/run-folder.ts";
import { openRunLog } from "../run/run-log.ts";
import { type TrainConfig, trainConfigToJson } from "./config.ts";
import { loadTrainingData, type ScoringOptions, type TrainingData, withReference } from "./data.ts";
import { evaluate } from "./evaluate.ts";
import { addFigures, NO_FIGURES } from "./figures.ts";
import { writeFinishedRun } from "./finish-run.ts";
import { runMetrics } from "./run-metrics.ts";
import { loadRunState, newRunState } from "./run-state.ts";
import { completeSamples, type Sample } from "./samples.ts";
import { learningRateAt, pairsOfStep, planSchedule } from "./schedule.ts";
import { applyGradients, stepGradients } from "./train-step.ts";
import { checkAdapterRun, createTrainable } from "./trainable.ts";

export interface TrainRun {
  /** Continue from the newest checkpoint in the output folder. */
  resume?: boolean;
  /** Start anew where an unfinished run lies; otherwise that is refused. */
  overwrite?: boolean;
  /** Stops the run where it can be continued: CapacityError "interrupted" says how. */
  signal?: AbortSignal;
  /** Lines for the user. */
  log?: (line: string) => void;
  /** Also write ONNX files. Default true. */
  exportOnnx?: boolean;
}

export interface TrainResult {
  outputDir: string;
  steps: number;
  before: Record<string, number>;
  after: Record<string, number>;
  samples: { before: Sample[]; after: Sample[] };
  data: TrainingData;
}

/** Trains; returns figures from before and after. Throws the errors of its parts, and CapacityError for a loss that is not finite. */
export async function trainStepwiseDpo(config: TrainConfig, run: TrainRun = {}): Promise<TrainResult> {
  try {
    const result = await train(config, run);
    if (run.exportOnnx !== false) await exportResult(config.outputDir, run.signal);
    return result;
  } catch (error) {
    throw isStop(error, run.signal) ? interrupted(0, config.outputDir) : error;
  }
}

async function train(config: TrainConfig, run: TrainRun): Promise<TrainResult> {
  const { log = () => {}, signal, resume = false, overwrite = false } = run;
  const { outputDir } = config;
  const backend = await startTensorflow(config.backend, config.precision);
  log(`backend: ${describeBackend(backend)}`);
  const first = await firstStep(outputDir, { resume, overwrite });
  if (resume && first === 0) log("no checkpoint to resume from; starting at step 0");

  const baseDir = await resolveModelWithProgress(config.model, { signal });
  const rewardModel = config.rewardModel ?? config.model;
  const judges = needsScores(config);
  const scoring = judges ? "" : "; it needs no scores, so no reward model is asked";
  log(`loss: ${config.lossType}${scoring}${config.referenceFree ? "" : "; reference: the frozen start"}`);
  const ownJudge = judges && config.rewardModel !== null;
  const rewardDir = ownJudge ? await resolveModelWithProgress(rewardModel, { signal }) : baseDir;
  const base = await loadModel(baseDir, log);
  checkAdapterRun(config, base);
  const tokenizer = await loadTokenizer(baseDir, base.config);
  const scored = await withBar("score steps", (options) =>
    loadTrainingData(config, tokenizer, rewardDir, { ...options, signal }),
  );
  const data = config.referenceFree
    ? scored
    : await withBar("reference log-probs", (options) =>
        withReference(scored, config, { model: base, dir: baseDir }, { ...options, signal }),
      );
  const { margins } = data;
  log(
    `pairs: ${data.train.length} to train on, ${data.eval.length} to evaluate; left out: ${JSON.stringify(data.dropped)}`,
  );
  if (margins !== undefined)
    log(
      `score margins: mean ${margins.mean.toFixed(4)}, ${margins.zero} zero (no signal), ${margins.reversed} reversed, of ${margins.count}`,
    );

  const resumed = first > 0 ? await loadRunState(checkpointDir(outputDir, first), config, data) : undefined;
  const state = resumed?.state ?? newRunState(config, data);
  const trainable = await createTrainable(config, base, first > 0 ? checkpointDir(outputDir, first) : undefined);
  const { frozen } = trainable;
  const schedule = planSchedule(data.train.length, config);
  const { maxSteps } = schedule;
  const epochOf = (step: number): number => step / schedule.stepsPerEpoch;
  const optimizer = createAdamW(
    trainable.initial,
    { beta1: config.adamBeta1, beta2: config.adamBeta2, epsilon: config.adamEpsilon, weightDecay: config.weightDecay },
    resumed?.optimizer,
  );
  const policy = (): Parameters => ({ ...frozen, ...optimizer.parameters() });
  const evaluated = (): Promise<Record<string, number>> =>
    evaluate(policy(), base.config, data.eval, { loss: config, signal });
  const sampled = (): Sample[] => {
    const prompts = [...new Set((data.eval.length > 0 ? data.eval : data.train).map(({ pair }) => pair.prompt))];
    const some = prompts.slice(0, config.samplePrompts);
    return some.length === 0 ? [] : completeSamples(policy(), base.config, tokenizer, some);
  };
  if (resumed === undefined) {
    state.before = await evaluated();
    state.samples = sampled();
  }

  // until here nothing was written: a mistake in settings or data costs an earlier run nothing
  await clearEarlierRun(outputDir, first > 0);
  await mkdir(outputDir, { recursive: true });
  await writeFileAtomic(
    join(outputDir, "train_config.json"),
    `${JSON.stringify(trainConfigToJson(config), null, 2)}\n`,
  );
  const logged = { first, resumed: resumed !== undefined, maxSteps, epochOf };
  const { metrics, events, record } = openRunLog(outputDir, config, logged);
  const evaluationDue = (step: number): boolean =>
    config.evalSteps !== null && data.eval.length > 0 && step % config.evalSteps === 0 && step < maxSteps;
  let saved = first;
  const checkpoint = async (step: number): Promise<void> => {
    await saveCheckpoint(outputDir, step, {
      save: (dir) => trainable.save(dir, optimizer.parameters()),
      optimizer: await optimizer.state(),
      state,
    });
    await writeTrainerState(checkpointDir(outputDir, step), metrics.state({ step, epoch: epochOf(step) }));
    if (config.saveTotalLimit !== null) await pruneCheckpoints(outputDir, config.saveTotalLimit);
    saved = step;
  };

  const progress = createProgress({ title: "train", total: maxSteps, initial: first });
  let done = first;
  try {
    const last = metrics.state().log_history.at(-1);
    // the run was stopped during this evaluation
    if (first > 0 && evaluationDue(first) && last?.step === first && !("eval_loss" in last))
      record(first, await evaluated());
    while (done < maxSteps) {
      await turnOfEventLoop(); // a step is synchronous: without this, Ctrl-C would not be heard
      signal?.throwIfAborted();
      const started = performance.now();
      const microBatches = pairsOfStep(done, data.train.length, schedule, config).map((indices) =>
        indices.flatMap((i) => data.train[i] ?? []),
      );
      const options = { ...config, frozen };
      const { gradients, figures } = stepGradients(optimizer.parameters(), base.config, microBatches, options);
      if (!Number.isFinite(figures.loss)) {
        tf.dispose(gradients);
        throw await notFinite("loss", done + 1, outputDir);
      }
      const learningRate = learningRateAt(done, schedule, config);
      const gradNorm = applyGradients(optimizer, gradients, { maxGradNorm: config.maxGradNorm, learningRate });
      if (!Number.isFinite(gradNorm)) throw await notFinite("gradient", done + 1, outputDir);
      done++;
      state.tokens += figures.tokens;
      state.loss_sum += figures.loss / figures.pairs;
      state.step_ms += performance.now() - started;
      state.window = addFigures(state.window, figures);
      const values = runMetrics(state.window);
      progress.update(done, {
        loss: values.loss ?? 0,
        ...("logps/margins" in values && { "logps/margins": values["logps/margins"] }),
        lr: learningRate,
      });
      if (done % config.loggingSteps === 0 || done === maxSteps) {
        record(done, { ...values, grad_norm: gradNorm, learning_rate: learningRate, num_tokens: state.tokens });
        state.window = NO_FIGURES;
      }
      if (evaluationDue(done)) record(done, await evaluated());
      // after the last step the model itself is saved
      if (done % config.saveSteps === 0 && done < maxSteps) await checkpoint(done);
    }
    progress.stop();
    const after = await evaluated();
    if (data.eval.length > 0) {
      if (!Number.isFinite(after.eval_loss)) throw await notFinite("evaluation loss", maxSteps, outputDir);
      record(maxSteps, after);
    }
    const samples = { before: state.samples, after: sampled() };
    samples.after.forEach(({ prompt, completion }, i) => {
      const before = samples.before[i]?.completion ?? "";
      events.text(`samples/${i}`, `**${prompt}**\n\nbefore:\n\n${before}\n\nafter:\n\n${completion}`, maxSteps);
    });
    await writeFinishedRun(outputDir, {
      config,
      save: (dir) => trainable.save(dir, optimizer.parameters()),
      baseModel: modelName(config.model, baseDir),
      rewardModel: judges ? modelName(rewardModel, rewardDir) : undefined,
      backend,
      data,
      figures: {
        train_runtime: state.step_ms / 1000,
        train_steps_per_second: (1000 * maxSteps) / state.step_ms,
        train_loss: state.loss_sum / maxSteps,
        num_tokens: state.tokens,
      },
      before: state.before,
      after,
      samples,
      trainerState: metrics.state({ step: maxSteps, epoch: epochOf(maxSteps) }),
    });
    return { outputDir, steps: maxSteps, before: state.before, after, samples, data };
  } catch (error) {
    if (!isStop(error, signal)) throw error;
    if (done !== saved) await checkpoint(done);
    throw interrupted(done, outputDir);
  } finally {
    progress.stop();
    metrics.close();
    events.close();
    optimizer.dispose();
    trainable.dispose();
  }
}

/** Runs work that reports its progress, under a bar that appears with the first report. */
async function withBar<T>(
  title: string,
  work: (options: Pick<ScoringOptions, "onProgress">) => Promise<T>,
): Promise<T> {
  let bar: Progress | undefined;
  const onProgress = (done: number, total: number): void => {
    bar ??= createProgress({ title, total });
    bar.update(done);
  };
  return work({ onProgress }).finally(() => bar?.stop());
}

/** A folder's own name, or the Hub id, whose folder is named by a commit. */
function modelName(idOrDir: string, dir: string): string {
  return idOrDir === dir ? basename(resolve(dir)) : idOrDir;
}
