// Stepwise DPO from a config to a tuned model on disk, top to bottom: resolve and load, score once, train with logs and checkpoints,
// evaluate, save, export. A run that was stopped continues with `resume` on the same curve.

import { access, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as turnOfEventLoop } from "node:timers/promises";
import writeFileAtomic from "write-file-atomic";
import { z } from "zod";
import { ArtifactError, CapacityError, InputError } from "../../shared/errors.ts";
import {
  checkpointDir,
  listCheckpoints,
  loadCheckpointState,
  pruneCheckpoints,
  saveCheckpoint,
} from "../checkpoint.ts";
import { loadTrainingData, type TrainingData } from "../dpo/data.ts";
import { runMetrics } from "../dpo/run-metrics.ts";
import { completeSamples, type Sample } from "../dpo/samples.ts";
import { learningRateAt, pairsOfStep, planSchedule } from "../dpo/schedule.ts";
import {
  addFigures,
  applyGradients,
  evaluatePairs,
  NO_FIGURES,
  type PairFigures,
  type ScoredPair,
  stepGradients,
} from "../dpo/train-step.ts";
import { exportOnnx } from "../export/export-onnx.ts";
import { resolveModelWithProgress } from "../hub/resolve-model-with-progress.ts";
import { openMetricsLog } from "../metrics-log.ts";
import { loadModel, loadTokenizer, type Model, saveModel } from "../model/model-folder.ts";
import type { Parameters } from "../model/parameters.ts";
import { writeModelCard } from "../model-card.ts";
import { createAdamW } from "../optim/adamw.ts";
import { createProgress } from "../progress.ts";
import { type TrainConfig, trainConfigToJson } from "../run-config.ts";
import { openEventFile } from "../tensorboard.ts";
import { describeBackend, startTensorflow, tf } from "../tensorflow.ts";
import { TRAINER_STATE_FILE, writeResults, writeTrainerState } from "../trainer-state.ts";

export interface TrainRun {
  /** Continue from the newest checkpoint in the output folder. */
  resume?: boolean;
  /** Start anew where an unfinished run lies; otherwise that is refused. */
  overwrite?: boolean;
  /** Stops after the current step, saves a checkpoint and throws CapacityError "interrupted". */
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

/** Settings that may differ between a run and its resumption without changing its curve. */
const FREE_TO_CHANGE = new Set([
  "output_dir",
  "logging_steps",
  "save_steps",
  "save_total_limit",
  "eval_steps",
  "sample_prompts",
  "backend",
]);

const runStateSchema = z.object({
  tokens: z.number(),
  /** Figures since the last line of the log, which a resumed run goes on summing. */
  window: z.object({
    pairs: z.number(),
    tokens: z.number(),
    loss: z.number(),
    chosenLogps: z.number(),
    rejectedLogps: z.number(),
    preferred: z.number(),
    chosenScores: z.number(),
    rejectedScores: z.number(),
  }),
  config: z.record(z.string(), z.unknown()),
  data_hash: z.string(),
  before: z.record(z.string(), z.number()),
  samples: z.array(z.object({ prompt: z.string(), completion: z.string() })),
});
type RunState = z.infer<typeof runStateSchema>;

/** Refuses to resume a run under other settings or on other data. */
function checkSameRun(saved: RunState, config: TrainConfig, data: TrainingData, where: string): void {
  for (const [name, value] of Object.entries(trainConfigToJson(config))) {
    if (FREE_TO_CHANGE.has(name) || JSON.stringify(saved.config[name]) === JSON.stringify(value)) continue;
    throw new InputError({
      code: "resume_mismatch",
      what: `"${name}" is ${JSON.stringify(value)}, the run to resume had ${JSON.stringify(saved.config[name])}`,
      where,
      fix: "Resume with the same settings, or start anew without --resume.",
    });
  }
  if (saved.data_hash !== data.hash) {
    throw new InputError({
      code: "resume_mismatch",
      what: "the training data or its scores changed",
      where,
      fix: "Restore the data, or start anew without --resume.",
    });
  }
}

function evaluate(p: Parameters, model: Model, pairs: readonly ScoredPair[], beta: number): Record<string, number> {
  const batch = 8;
  let figures: PairFigures = NO_FIGURES;
  for (let i = 0; i < pairs.length; i += batch)
    figures = addFigures(figures, evaluatePairs(p, model.config, pairs.slice(i, i + batch), beta));
  return figures.pairs === 0 ? {} : runMetrics(figures, "eval_");
}

/** Trains; returns figures from before and after. Throws the errors of its parts, and CapacityError for a loss that is not finite. */
export async function trainStepwiseDpo(config: TrainConfig, run: TrainRun = {}): Promise<TrainResult> {
  const { log = () => {} } = run;
  const backend = await startTensorflow(config.backend);
  log(`backend: ${describeBackend(backend)}`);
  const baseDir = await resolveModelWithProgress(config.model);
  const rewardDir = config.rewardModel === null ? baseDir : await resolveModelWithProgress(config.rewardModel);
  const { outputDir } = config;
  await mkdir(outputDir, { recursive: true });

  const checkpoints = await listCheckpoints(outputDir);
  const first = run.resume ? (checkpoints.at(-1) ?? 0) : 0;
  if (run.resume && first === 0) log("no checkpoint to resume from; starting at step 0");
  if (!run.resume && checkpoints.length > 0 && run.overwrite !== true && !(await isFinished(outputDir))) {
    throw new InputError({
      code: "unfinished_run",
      what: `an unfinished run lies there (checkpoint-${checkpoints.at(-1)})`,
      where: outputDir,
      fix: "Continue it with --resume, start anew with --overwrite, or choose another --output.",
    });
  }
  await rm(join(outputDir, TRAINER_STATE_FILE), { force: true }); // written again at the end: its presence means finished
  if (!run.resume) for (const step of checkpoints) await rm(checkpointDir(outputDir, step), { recursive: true });
  const resumedDir = first > 0 ? checkpointDir(outputDir, first) : undefined;

  const base = await loadModel(baseDir);
  const tokenizer = await loadTokenizer(baseDir, base.config);
  const scoring = { progress: undefined as ReturnType<typeof createProgress> | undefined };
  const data = await loadTrainingData(config, tokenizer, rewardDir, (done, total) => {
    scoring.progress ??= createProgress({ title: "score steps", total });
    scoring.progress.update(done);
  }).finally(() => scoring.progress?.stop());
  const { margins } = data;
  log(
    `pairs: ${data.train.length} to train on, ${data.eval.length} to evaluate; left out: ${JSON.stringify(data.dropped)}`,
  );
  log(
    `score margins: mean ${margins.mean.toFixed(4)}, ${margins.zero} zero (no signal), ${margins.reversed} reversed, of ${margins.count}`,
  );

  let model = base;
  let restored: Awaited<ReturnType<typeof loadCheckpointState>> | undefined;
  let state: RunState = {
    tokens: 0,
    window: NO_FIGURES,
    config: trainConfigToJson(config),
    data_hash: data.hash,
    before: {},
    samples: [],
  };
  if (resumedDir !== undefined) {
    restored = await loadCheckpointState(resumedDir);
    const parsed = runStateSchema.safeParse(restored.state);
    if (!parsed.success)
      throw new ArtifactError({
        code: "bad_checkpoint",
        what: "the run's state is damaged",
        where: resumedDir,
        fix: "Delete this checkpoint and resume again.",
      });
    checkSameRun(parsed.data, config, data, resumedDir);
    state = parsed.data;
    tf.dispose(base.parameters);
    model = { ...(await loadModel(resumedDir)), dir: base.dir, name: base.name };
  }

  const schedule = planSchedule(data.train.length, config);
  const epochOf = (step: number): number => step / schedule.stepsPerEpoch;
  const optimizer = createAdamW(
    model.parameters,
    { beta1: config.adamBeta1, beta2: config.adamBeta2, epsilon: config.adamEpsilon, weightDecay: config.weightDecay },
    restored?.optimizer,
  );
  const samplePrompts = [
    ...new Set((data.eval.length > 0 ? data.eval : data.train).map(({ pair }) => pair.prompt)),
  ].slice(0, config.samplePrompts);
  const sample = (): Sample[] =>
    samplePrompts.length === 0 ? [] : completeSamples(optimizer.parameters(), model.config, tokenizer, samplePrompts);
  if (resumedDir === undefined) {
    state.before = evaluate(optimizer.parameters(), model, data.eval, config.beta);
    state.samples = sample();
  }
  await writeFileAtomic(
    join(outputDir, "train_config.json"),
    `${JSON.stringify(trainConfigToJson(config), null, 2)}\n`,
  );
  const metrics = openMetricsLog(outputDir, {
    run: {
      maxSteps: schedule.maxSteps,
      numTrainEpochs: config.numTrainEpochs,
      trainBatchSize: config.perDeviceTrainBatchSize,
      loggingSteps: config.loggingSteps,
      saveSteps: config.saveSteps,
      evalSteps: config.evalSteps,
    },
    ...(resumedDir !== undefined && { resumeStep: first }),
  });
  const events = openEventFile(join(outputDir, "runs"), { firstStep: first });
  const record = (step: number, values: Record<string, number>): void => {
    metrics.log(step, epochOf(step), values);
    for (const [name, value] of Object.entries(values))
      events.scalar(name.startsWith("eval_") ? `eval/${name.slice(5)}` : `train/${name}`, value, step);
  };
  const checkpoint = async (step: number): Promise<void> => {
    await saveCheckpoint(outputDir, step, {
      from: model,
      parameters: optimizer.parameters(),
      optimizer: await optimizer.state(),
      state,
    });
    await writeTrainerState(checkpointDir(outputDir, step), metrics.state({ step, epoch: epochOf(step) }));
    if (config.saveTotalLimit !== null) await pruneCheckpoints(outputDir, config.saveTotalLimit);
  };

  const progress = createProgress({ title: "train", total: schedule.maxSteps, initial: first });
  const started = performance.now();
  try {
    for (let step = first; step < schedule.maxSteps; step++) {
      await turnOfEventLoop(); // a step is synchronous: without this, Ctrl-C would wait for the next checkpoint
      const microBatches = pairsOfStep(step, data.train.length, schedule, config).map((indices) =>
        indices.flatMap((i) => data.train[i] ?? []),
      );
      const { gradients, figures } = stepGradients(optimizer.parameters(), model.config, microBatches, config.beta);
      if (!Number.isFinite(figures.loss)) {
        tf.dispose(gradients);
        throw notFinite("loss", step, (await listCheckpoints(outputDir)).at(-1));
      }
      const learningRate = learningRateAt(step, schedule, config);
      const gradNorm = applyGradients(optimizer, gradients, { maxGradNorm: config.maxGradNorm, learningRate });
      if (!Number.isFinite(gradNorm)) throw notFinite("gradient", step, (await listCheckpoints(outputDir)).at(-1));
      const done = step + 1;
      state.tokens += figures.tokens;
      state.window = addFigures(state.window, figures);
      const values = runMetrics(state.window);
      progress.update(done, {
        loss: values.loss ?? 0,
        "logps/margins": values["logps/margins"] ?? 0,
        lr: learningRate,
      });
      if (done % config.loggingSteps === 0 || done === schedule.maxSteps) {
        record(done, { ...values, grad_norm: gradNorm, learning_rate: learningRate, num_tokens: state.tokens });
        state.window = NO_FIGURES;
      }
      if (config.evalSteps !== null && done % config.evalSteps === 0 && done < schedule.maxSteps)
        record(done, evaluate(optimizer.parameters(), model, data.eval, config.beta));
      const stopping = run.signal?.aborted === true;
      if (done % config.saveSteps === 0 || stopping) await checkpoint(done);
      if (stopping && done < schedule.maxSteps) throw interrupted(done, checkpointDir(outputDir, done));
    }
    progress.stop();
    return await finish();
  } finally {
    progress.stop();
    metrics.close();
    events.close();
    optimizer.dispose();
  }

  async function finish(): Promise<TrainResult> {
    const after = evaluate(optimizer.parameters(), model, data.eval, config.beta);
    if (data.eval.length > 0 && !Number.isFinite(after.eval_loss))
      throw notFinite("evaluation loss", schedule.maxSteps - 1, (await listCheckpoints(outputDir)).at(-1));
    record(schedule.maxSteps, after);
    const samples = { before: state.samples, after: sample() };
    samples.after.forEach(({ prompt, completion }, i) => {
      events.text(
        `samples/${i}`,
        `**${prompt}**\n\nbefore:\n\n${samples.before[i]?.completion ?? ""}\n\nafter:\n\n${completion}`,
        schedule.maxSteps,
      );
    });
    await saveModel(outputDir, model, optimizer.parameters());
    const seconds = (performance.now() - started) / 1000;
    await writeTrainerState(outputDir, metrics.state({ step: schedule.maxSteps, epoch: epochOf(schedule.maxSteps) }));
    await writeResults(outputDir, "train", {
      train_runtime: seconds,
      train_steps_per_second: (schedule.maxSteps - first) / seconds,
      num_tokens: state.tokens,
    });
    await writeResults(outputDir, "eval", after);
    await writeFileAtomic(join(outputDir, "samples.json"), `${JSON.stringify(samples, null, 2)}\n`);
    const results = Object.fromEntries([
      ...Object.entries(state.before).map(([name, value]) => [`${name}, before`, value]),
      ...Object.entries(after).map(([name, value]) => [`${name}, after`, value]),
    ]);
    await writeModelCard(outputDir, {
      config,
      baseModel: base.name,
      backend,
      pairs: { train: data.train.length, eval: data.eval.length },
      margins,
      results,
    });
    if (run.exportOnnx !== false) {
      const bar = createProgress({ title: "export", total: 1 });
      await exportOnnx({ modelDir: outputDir, onProgress: (done, total) => bar.update(done / total) }).finally(() =>
        bar.stop(),
      );
    }
    return { outputDir, steps: schedule.maxSteps, before: state.before, after, samples, data };
  }
}

/** A finished run has its trainer state beside the model; a checkpoint's lies in the checkpoint. */
async function isFinished(outputDir: string): Promise<boolean> {
  return access(join(outputDir, TRAINER_STATE_FILE)).then(
    () => true,
    () => false,
  );
}

function notFinite(name: string, step: number, lastCheckpoint: number | undefined): CapacityError {
  return new CapacityError({
    code: "loss_not_finite",
    what: `the ${name} is not a finite number`,
    where: `step ${step + 1}`,
    fix: `Lower --learning-rate or --max-grad-norm. ${lastCheckpoint === undefined ? "No checkpoint was written yet." : `The last good one is checkpoint-${lastCheckpoint}.`}`,
  });
}

function interrupted(step: number, checkpoint: string): CapacityError {
  return new CapacityError({
    code: "interrupted",
    what: `stopped after step ${step}`,
    where: checkpoint,
    fix: "Run the same command with --resume to continue.",
  });
}
