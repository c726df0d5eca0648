// Stepwise DPO, or another loss of the family, from a config to a tuned model on disk, top to bottom: resolve and load, score once, the
// reference's log-probs once, train (run-steps.ts: with logs, checkpoints, evaluations, stops), save, export. A run that was stopped continues
// with `resume` on the same curve.

import type { Pair } from "../../../shared/records.ts";
import { createProgress, type Progress } from "../../io/progress.ts";
import { needsScores } from "../../loss/settings.ts";
import type { Parameters } from "../../model/parameters.ts";
import { createAdamW } from "../../optim/adamw.ts";
import { describeWorkers, threadsOf } from "../../optim/workers.ts";
import { resolveModelWithProgress } from "../../store/hub/resolve-model-with-progress.ts";
import { loadModel, loadTokenizer, type Model } from "../../store/model-folder.ts";
import { modelName } from "../../store/model-id.ts";
import { describeBackend, startTensorflow, tf } from "../../tensorflow/tensorflow.ts";
import { checkpointDir } from "../run/checkpoint.ts";
import { trainAndExport } from "../run/export-result.ts";
import { beginRunFolder, firstStep, TRAIN_CONFIG_FILE } from "../run/run-folder.ts";
import type { RunOptions } from "../run/run-options.ts";
import { runSteps } from "../run/run-steps.ts";
import { learningRateAt, pairsOfStep, planSchedule } from "../run/schedule.ts";
import { settingsToJson } from "../run/settings.ts";
import type { TrainConfig } from "./config.ts";
import { loadTrainingData, type ScoringOptions, type TrainingData, withReference } from "./data.ts";
import { evaluate } from "./evaluate.ts";
import { addFigures, NO_FIGURES } from "./figures.ts";
import { writeFinishedRun } from "./finish-run.ts";
import { runMetrics } from "./run-metrics.ts";
import { loadDpoState, newDpoState } from "./run-state.ts";
import { completeSamples, type Sample } from "./samples.ts";
import { pairWork, startPairGradients } from "./share-pairs.ts";
import { checkAdapterRun, createTrainable } from "./trainable.ts";
import { prepareVocabulary, type StartModel, unchangedStart } from "./vocabulary.ts";

export interface TrainRun extends RunOptions {
  /** Pairs in place of those of the data folder, which then only keeps scores; none are left for evaluation. */
  pairs?: readonly Pair[];
  /** Folder of the frozen reference; default: the model itself, as training finds it. */
  referenceDir?: string;
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
  return trainAndExport(config.outputDir, run, () => train(config, run));
}

async function train(config: TrainConfig, run: TrainRun): Promise<TrainResult> {
  const { log = () => {} } = run;
  const { outputDir } = config;
  const backend = await startTensorflow(config.backend, config.precision, threadsOf(config.workers));
  log(`backend: ${describeBackend(backend)}`);
  const first = await firstStep(outputDir, run);
  const models = await loadModels(config, first, run);
  return trainModels(config, models, { first, backend, run }).finally(() => models.start.discard());
}

async function trainModels(
  config: TrainConfig,
  models: Models,
  { first, backend, run }: { first: number; backend: string; run: TrainRun },
): Promise<TrainResult> {
  const { log = () => {}, signal } = run;
  const { outputDir } = config;
  const { base, judge, tokenizer } = models;
  const data = await loadData(config, models, run);

  const checkpoint = first > 0 ? checkpointDir(outputDir, first) : undefined;
  const resumed = checkpoint === undefined ? undefined : await loadDpoState(checkpoint, config, data);
  const state = resumed?.state ?? newDpoState(config, data);
  const trainable = await createTrainable(config, base, checkpoint);
  const { frozen } = trainable;
  const schedule = planSchedule(data.train.length, config);
  const optimizer = createAdamW(
    trainable.initial,
    { beta1: config.adamBeta1, beta2: config.adamBeta2, epsilon: config.adamEpsilon, weightDecay: config.weightDecay },
    resumed?.optimizer,
  );
  const workers = Math.min(config.workers, config.perDeviceTrainBatchSize * config.gradientAccumulationSteps);
  const parallel = startPairGradients({
    processes: workers,
    config: base.config,
    trained: optimizer.parameters(),
    frozen,
    log,
  });
  if (config.workers > 1) log(describeWorkers(workers, optimizer.parameters(), frozen));
  const policy = (): Parameters => ({ ...frozen, ...optimizer.parameters() });
  const evaluated = (): Promise<Record<string, number>> =>
    evaluate(policy(), base.config, data.eval, {
      loss: config,
      workers: { count: workers, begin: (others) => parallel.begin(optimizer.parameters(), others) },
      signal,
    });
  const prompts = [...new Set((data.eval.length > 0 ? data.eval : data.train).map(({ pair }) => pair.prompt))];
  const sampled = (dir: string): Promise<Sample[]> =>
    completeSamples(dir, tokenizer, prompts.slice(0, config.samplePrompts));
  const save = (dir: string): Promise<void> => trainable.save(dir, optimizer.parameters());
  try {
    if (resumed === undefined) {
      state.before = await evaluated();
      state.samples = await sampled(base.dir);
    }
    const samples: TrainResult["samples"] = { before: state.samples, after: [] };
    // until here nothing was written: a mistake in settings or data costs an earlier run nothing
    await beginRunFolder(outputDir, first, { file: TRAIN_CONFIG_FILE, json: settingsToJson(config) });
    base.dir = await models.start.settle();
    const after = await runSteps({
      title: "train",
      shown: ["loss", "logps/margins", "lr"],
      outputDir,
      settings: config,
      schedule,
      first,
      state,
      optimizer,
      figures: { none: NO_FIGURES, add: addFigures, metrics: runMetrics },
      step: (step) => {
        const microBatches = pairsOfStep(step, data.train.length, schedule, config).map((indices) =>
          indices.flatMap((i) => data.train[i] ?? []),
        );
        return parallel.gradients(optimizer.parameters(), pairWork(microBatches, workers, config));
      },
      learningRate: (step) => learningRateAt(step, schedule, config),
      evaluate: evaluated,
      save,
      finish: async (after, events) => {
        await save(outputDir);
        samples.after = await sampled(outputDir);
        samples.after.forEach(({ prompt, completion }, i) => {
          const before = samples.before[i]?.completion ?? "";
          const text = `**${prompt}**\n\nbefore:\n\n${before}\n\nafter:\n\n${completion}`;
          events.text(`samples/${i}`, text, schedule.maxSteps);
        });
        await writeFinishedRun(outputDir, {
          config,
          baseModel: models.name,
          rewardModel: judge?.name,
          backend,
          data,
          before: state.before,
          after,
          samples,
        });
      },
      signal,
    });
    return { outputDir, steps: schedule.maxSteps, before: state.before, after, samples, data };
  } finally {
    parallel.stop();
    optimizer.dispose();
    trainable.dispose();
  }
}

/** The models of a run, and what its base model's tokenizer makes of text. */
interface Models {
  base: Model;
  start: StartModel;
  /** Of the base model, as the config has it. */
  name: string;
  /** The frozen model that scores steps; undefined where the loss asks for no scores. */
  judge: { dir: string; name: string } | undefined;
  tokenizer: Awaited<ReturnType<typeof loadTokenizer>>;
}

async function loadModels(
  config: TrainConfig,
  first: number,
  { log = () => {}, signal, pairs }: TrainRun,
): Promise<Models> {
  const modelDir = await resolveModelWithProgress(config.model, { signal });
  const judges = needsScores(config);
  const scoring = judges ? "" : "; it needs no scores, so no reward model is asked";
  log(`loss: ${config.lossType}${scoring}${config.referenceFree ? "" : "; reference: the frozen start"}`);
  const rewardModel = config.rewardModel ?? config.model;
  const ownJudge = judges && config.rewardModel !== null;
  const rewardDir = ownJudge ? await resolveModelWithProgress(rewardModel, { signal }) : modelDir;
  // pairs of the policy's own making need no words that it lacks
  const start =
    pairs === undefined
      ? await prepareVocabulary(config, modelDir, { resumes: first > 0, log })
      : unchangedStart(modelDir);
  try {
    const base = await loadModel(start.dir, log);
    checkAdapterRun(config, base);
    const tokenizer = await loadTokenizer(start.dir, base.config);
    const name = modelName(config.model, modelDir);
    const judge = judges ? { dir: rewardDir, name: modelName(rewardModel, rewardDir) } : undefined;
    return { base, start, name, judge, tokenizer };
  } catch (error) {
    await start.discard();
    throw error;
  }
}

/** Pairs with scores and, where the loss has one, the reference's log-probs. */
async function loadData(config: TrainConfig, models: Models, run: TrainRun) {
  const { log = () => {}, signal } = run;
  const { base, judge, tokenizer } = models;
  const scored = await withBar("score steps", (options) =>
    loadTrainingData(config, tokenizer, judge?.dir ?? base.dir, {
      ...options,
      signal,
      pairs: run.pairs,
      onBadRecord: log,
    }),
  );
  const { referenceDir = base.dir } = run;
  const data = config.referenceFree
    ? scored
    : await withBar("reference log-probs", async (options) => {
        const model = referenceDir === base.dir ? base : await loadModel(referenceDir);
        const referenced = withReference(scored, config, { model, dir: referenceDir }, { ...options, signal });
        return referenced.finally(() => {
          if (model !== base) tf.dispose(model.parameters);
        });
      });
  log(
    `pairs: ${data.train.length} to train on, ${data.eval.length} to evaluate; left out: ${JSON.stringify(data.dropped)}`,
  );
  const { margins } = data;
  if (margins !== undefined)
    log(
      `score margins: mean ${margins.mean.toFixed(4)}, ${margins.zero} zero (no signal), ${margins.reversed} reversed, of ${margins.count}`,
    );
  return data;
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
