// A process reward model from step labels, top to bottom: resolve and load, train (run-steps.ts: with logs, checkpoints, evaluations, stops),
// save, export. A run that was stopped continues with `resume` on the same curve.

import { join } from "node:path";
import { InputError } from "../../../shared/errors.ts";
import { PROCESS_REWARD_MODEL, REWARD_MODEL_FILE } from "../../../shared/process-reward.ts";
import { writeJson } from "../../io/write-text.ts";
import { ADAMW_DEFAULTS, createAdamW } from "../../optim/adamw.ts";
import { describeWorkers, threadsOf } from "../../optim/workers.ts";
import { resolveModelWithProgress } from "../../store/hub/resolve-model-with-progress.ts";
import { loadModel, loadTokenizer, saveModel } from "../../store/model-folder.ts";
import { modelName } from "../../store/model-id.ts";
import { readRewardModelFile } from "../../store/reward-model-file.ts";
import { describeBackend, startTensorflow, tf } from "../../tensorflow/tensorflow.ts";
import { checkpointDir } from "../run/checkpoint.ts";
import { trainAndExport } from "../run/export-result.ts";
import { beginRunFolder, firstStep, REWARD_CONFIG_FILE } from "../run/run-folder.ts";
import type { RunOptions } from "../run/run-options.ts";
import { runSteps } from "../run/run-steps.ts";
import { learningRateAt, planSchedule } from "../run/schedule.ts";
import { settingsToJson } from "../run/settings.ts";
import type { RewardConfig } from "./config.ts";
import { labelMetrics, scoreTokens } from "./evaluate-labels.ts";
import { growDecoder } from "./grow-decoder.ts";
import { writeRewardCard } from "./reward-card.ts";
import { loadRewardData } from "./reward-data.ts";
import { loadRewardState, newRewardState } from "./run-state.ts";
import { solutionWork, startSolutionGradients } from "./share-solutions.ts";
import { planBatches } from "./solution-batches.ts";
import { addSolutionFigures, NO_SOLUTIONS, solutionMetrics } from "./solution-figures.ts";

export interface RewardResult {
  outputDir: string;
  steps: number;
  /** Evaluation before and after; empty without evaluation data. */
  before: Record<string, number>;
  after: Record<string, number>;
}

/** Trains; returns figures from before and after. Throws the errors of its parts, and CapacityError for a loss that is not finite. */
export async function trainRewardModel(config: RewardConfig, run: RunOptions = {}): Promise<RewardResult> {
  return trainAndExport(config.outputDir, run, () => train(config, run));
}

async function train(config: RewardConfig, run: RunOptions): Promise<RewardResult> {
  const { log = () => {}, signal } = run;
  const { outputDir } = config;
  const backend = await startTensorflow(config.backend, undefined, threadsOf(config.workers));
  log(`backend: ${describeBackend(backend)}`);
  const first = await firstStep(outputDir, run);
  const baseDir = await resolveModelWithProgress(config.model, { signal });
  const start = await loadModel(baseDir, log);
  // a process reward model has grown its layers already
  const isGrown = (await readRewardModelFile(baseDir)) !== undefined;
  const base = isGrown ? start : growDecoder(start, config.extraDecoderLayers, config.seed);
  const lmLayers = base.config.numDecoderLayers - config.extraDecoderLayers;
  if (lmLayers < 1)
    throw new InputError({
      code: "too_few_layers",
      what: `the process reward model has ${base.config.numDecoderLayers} decoder layers, and ${config.extraDecoderLayers} were added`,
      where: "--extra-decoder-layers",
      fix: "Give as many as it was trained with: its card or reward_config.json says how many.",
    });
  // without a layer to compare in there is nothing to supervise
  const comparisonWeight = config.extraDecoderLayers > 0 ? config.comparisonWeight : 0;
  const tokenizer = await loadTokenizer(baseDir, base.config);
  const answers = { yes: tokenizer.yesTokenId, no: tokenizer.noTokenId };
  const data = await loadRewardData(config, base.config, tokenizer);
  const { labelled, right, unlabelled } = data.steps;
  log(
    `solutions: ${data.train.length} to train on, ${data.eval.length} to evaluate; left out: ${JSON.stringify(data.dropped)}`,
  );
  for (const { where, what } of data.droppedRecords) log(`left out, for example: ${what} (${where})`);
  log(`step labels: ${labelled}, ${((100 * right) / labelled).toFixed(1)} % right; ${unlabelled} steps without one`);

  const checkpoint = first > 0 ? checkpointDir(outputDir, first) : undefined;
  const resumed = checkpoint === undefined ? undefined : await loadRewardState(checkpoint, config, data);
  const state = resumed?.state ?? newRewardState(config, data);
  const model = checkpoint === undefined ? base : await loadModel(checkpoint);
  if (model !== base) tf.dispose(base.parameters);
  const schedule = planSchedule(data.train.length, config);
  const optimizer = createAdamW(
    model.parameters,
    { ...ADAMW_DEFAULTS, weightDecay: config.weightDecay },
    resumed?.optimizer,
  );
  const evaluated = async (): Promise<Record<string, number>> => {
    const logits = await scoreTokens(optimizer.parameters(), model.config, data.eval, { answers, signal });
    return labelMetrics(data.eval, logits);
  };
  const batchesOf = planBatches(data.train, schedule.stepsPerEpoch, { ...config, comparisonWeight });
  const { tokenWeight, lmWeight } = config;
  const lossOptions = { answers, tokenWeight, lmWeight, comparisonWeight, lmLayers };
  const parallel = startSolutionGradients({
    processes: config.workers,
    config: model.config,
    trained: optimizer.parameters(),
    log,
  });
  if (config.workers > 1) log(describeWorkers(config.workers, optimizer.parameters()));
  const saveTo = async (dir: string, weightType?: RewardConfig["weightType"]): Promise<void> => {
    await saveModel(dir, base, optimizer.parameters(), weightType);
    await writeJson(join(dir, REWARD_MODEL_FILE), PROCESS_REWARD_MODEL);
  };
  try {
    if (resumed === undefined) state.before = await evaluated();
    // until here nothing was written: a mistake in settings or data costs an earlier run nothing
    await beginRunFolder(outputDir, first, { file: REWARD_CONFIG_FILE, json: settingsToJson(config) });
    const after = await runSteps({
      title: "train reward",
      shown: ["loss", "accuracy", "token_loss", "comparison_loss", "lm_loss", "eval_auc"],
      outputDir,
      settings: config,
      schedule,
      first,
      state,
      optimizer,
      figures: { none: NO_SOLUTIONS, add: addSolutionFigures, metrics: (sum) => solutionMetrics(sum, config) },
      step: (step) => {
        const work = solutionWork(batchesOf(step), {
          workers: config.workers,
          config: model.config,
          loss: lossOptions,
        });
        return parallel.gradients(optimizer.parameters(), work);
      },
      learningRate: (step) => learningRateAt(step, schedule, config),
      evaluate: evaluated,
      save: saveTo,
      finish: async (after) => {
        await saveTo(outputDir, config.weightType);
        const baseModel = modelName(config.model, baseDir);
        await writeRewardCard(outputDir, { config, baseModel, backend, data, before: state.before, after });
      },
      signal,
    });
    return { outputDir, steps: schedule.maxSteps, before: state.before, after };
  } finally {
    parallel.stop();
    optimizer.dispose();
  }
}
