// A process reward model from step labels, top to bottom: resolve and load, train with logs and checkpoints, evaluate, save, export.
// A run that was stopped continues with `resume` on the same curve.

import { mkdir } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { setImmediate as turnOfEventLoop } from "node:timers/promises";
import writeFileAtomic from "write-file-atomic";
import { PROCESS_REWARD_MODEL, REWARD_MODEL_FILE } from "../../../shared/process-reward.ts";
import { createRng } from "../../../shared/rng.ts";
import { createProgress } from "../../io/progress.ts";
import { writeResults, writeTrainerState } from "../../io/trainer-state.ts";
import { ADAMW_DEFAULTS, createAdamW } from "../../optim/adamw.ts";
import { clipByGlobalNorm } from "../../optim/gradients.ts";
import { resolveModelWithProgress } from "../../store/hub/resolve-model-with-progress.ts";
import { loadModel, loadTokenizer, saveModel } from "../../store/model-folder.ts";
import { describeBackend, startTensorflow, tf } from "../../tensorflow/tensorflow.ts";
import { learningRateAt, planSchedule } from "../dpo/schedule.ts";
import { checkpointDir, pruneCheckpoints, saveCheckpoint } from "../run/checkpoint.ts";
import { exportResult, isStop } from "../run/export-result.ts";
import { interrupted, notFinite } from "../run/run-errors.ts";
import { clearEarlierRun, firstStep } from "../run/run-folder.ts";
import { openRunLog } from "../run/run-log.ts";
import { type RewardConfig, rewardConfigToJson } from "./config.ts";
import { corruptedCopies, followersIn } from "./corrupted-copies.ts";
import { labelMetrics, scoreTokens } from "./evaluate-labels.ts";
import { growDecoder } from "./grow-decoder.ts";
import { startParallelGradients } from "./parallel-gradients.ts";
import { writeRewardCard } from "./reward-card.ts";
import { loadRewardData } from "./reward-data.ts";
import { loadRewardRunState, newRewardRunState } from "./run-state.ts";
import { epochSteps } from "./solution-batches.ts";
import { addSolutionFigures, NO_SOLUTIONS, type SolutionFigures } from "./solution-loss.ts";

/** Corrupted copies in a batch, beside its solutions and as a share of them. */
const COPIES = 0.35;

/** The settings of the training, beside the model. */
const CONFIG_FILE = "reward_config.json";

export interface RewardRun {
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

export interface RewardResult {
  outputDir: string;
  steps: number;
  /** Evaluation before and after; empty without evaluation data. */
  before: Record<string, number>;
  after: Record<string, number>;
}

/** Trains; returns figures from before and after. Throws the errors of its parts, and CapacityError for a loss that is not finite. */
export async function trainRewardModel(config: RewardConfig, run: RewardRun = {}): Promise<RewardResult> {
  const { signal } = run;
  try {
    const result = await train(config, run);
    if (run.exportOnnx !== false) await exportResult(config.outputDir, signal);
    return result;
  } catch (error) {
    throw isStop(error, signal) ? interrupted(0, config.outputDir) : error;
  }
}

async function train(config: RewardConfig, run: RewardRun): Promise<RewardResult> {
  const { log = () => {}, signal, resume = false, overwrite = false } = run;
  const { outputDir } = config;
  const backend = await startTensorflow(config.backend);
  log(`backend: ${describeBackend(backend)}`);
  const first = await firstStep(outputDir, { resume, overwrite });
  if (resume && first === 0) log("no checkpoint to resume from; starting at step 0");

  const baseDir = await resolveModelWithProgress(config.model, { signal });
  const base = growDecoder(await loadModel(baseDir, log), config.extraDecoderLayers, config.seed);
  const lmLayers = base.config.numDecoderLayers - config.extraDecoderLayers;
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

  const resumed = first > 0 ? await loadRewardRunState(checkpointDir(outputDir, first), config, data) : undefined;
  const state = resumed?.state ?? newRewardRunState(config, data);
  const model = resumed === undefined ? base : await loadModel(checkpointDir(outputDir, first));
  if (resumed !== undefined) tf.dispose(base.parameters);
  const schedule = planSchedule(data.train.length, config);
  const { maxSteps, stepsPerEpoch } = schedule;
  const epochOf = (step: number): number => step / stepsPerEpoch;
  const optimizer = createAdamW(
    model.parameters,
    { ...ADAMW_DEFAULTS, weightDecay: config.weightDecay },
    resumed?.optimizer,
  );
  const evaluated = async (): Promise<Record<string, number>> => {
    const logits = await scoreTokens(optimizer.parameters(), model.config, data.eval, { answers, signal });
    return labelMetrics(data.eval, logits);
  };
  if (resumed === undefined) state.before = await evaluated();

  // until here nothing was written: a mistake in settings or data costs an earlier run nothing
  await clearEarlierRun(outputDir, first > 0);
  await mkdir(outputDir, { recursive: true });
  await writeJson(join(outputDir, CONFIG_FILE), rewardConfigToJson(config));
  const logged = { first, resumed: resumed !== undefined, maxSteps, epochOf };
  const { metrics, events, record } = openRunLog(outputDir, config, logged);
  const evaluationDue = (step: number): boolean =>
    config.evalSteps !== null && data.eval.length > 0 && step % config.evalSteps === 0 && step < maxSteps;
  let saved = first;
  const checkpoint = async (step: number): Promise<void> => {
    const dir = checkpointDir(outputDir, step);
    await saveCheckpoint(outputDir, step, {
      from: base,
      parameters: optimizer.parameters(),
      optimizer: await optimizer.state(),
      state,
    });
    await writeJson(join(dir, REWARD_MODEL_FILE), PROCESS_REWARD_MODEL);
    await writeTrainerState(dir, metrics.state({ step, epoch: epochOf(step) }));
    if (config.saveTotalLimit !== null) await pruneCheckpoints(outputDir, config.saveTotalLimit);
    saved = step;
  };
  const followers = followersIn(data.train);
  let epoch: { number: number; steps: number[][][] } | undefined;
  const batchesOf = (step: number): (typeof data.train)[] => {
    const number = Math.floor(step / stepsPerEpoch);
    if (epoch?.number !== number) {
      const options = {
        batchSize: config.perDeviceTrainBatchSize,
        accumulation: config.gradientAccumulationSteps,
        seed: config.seed,
      };
      epoch = { number, steps: epochSteps(data.train, number, options) };
    }
    const micro = epoch.steps[step % stepsPerEpoch] ?? [];
    const rng = createRng((config.seed ^ Math.imul(step + 1, 0x85ebca6b)) >>> 0);
    return micro.map((indices) => {
      const batch = indices.flatMap((i) => data.train[i] ?? []);
      if (comparisonWeight === 0) return batch;
      return [...batch, ...corruptedCopies(batch, Math.ceil(COPIES * batch.length), followers, rng)];
    });
  };

  const parallel = startParallelGradients(model.config, config.processes);
  const progress = createProgress({ title: "train reward", total: maxSteps, initial: first });
  let done = first;
  let auc = metrics.state().log_history.findLast((entry) => "eval_auc" in entry)?.eval_auc ?? state.before.eval_auc;
  const evaluate = async (): Promise<void> => {
    const values = await evaluated();
    record(done, values);
    auc = values.eval_auc;
  };
  try {
    const last = metrics.state().log_history.at(-1);
    // the run was stopped during this evaluation
    if (first > 0 && evaluationDue(first) && last?.step === first && !("eval_loss" in last)) await evaluate();
    while (done < maxSteps) {
      await turnOfEventLoop(); // a step is synchronous: without this, Ctrl-C would not be heard
      signal?.throwIfAborted();
      const started = performance.now();
      const { gradients, figures } = await parallel.gradients(optimizer.parameters(), batchesOf(done), {
        answers,
        tokenWeight: config.tokenWeight,
        lmWeight: config.lmWeight,
        comparisonWeight,
        lmLayers,
      });
      const gradNorm = clipByGlobalNorm(gradients, config.maxGradNorm);
      const finite = Number.isFinite(figures.loss + figures.lmLoss);
      if (finite && Number.isFinite(gradNorm)) optimizer.step(gradients, learningRateAt(done, schedule, config));
      tf.dispose(gradients);
      if (!finite) throw await notFinite("loss", done + 1, outputDir);
      if (!Number.isFinite(gradNorm)) throw await notFinite("gradient", done + 1, outputDir);
      done++;
      state.tokens += figures.tokens;
      state.loss_sum += figures.loss / figures.steps;
      state.step_ms += performance.now() - started;
      state.window = addSolutionFigures(state.window, figures);
      const values = windowMetrics(state.window, config);
      progress.update(done, { ...values, ...(auc !== undefined && { eval_auc: auc }) });
      if (done % config.loggingSteps === 0 || done === maxSteps) {
        const learningRate = learningRateAt(done - 1, schedule, config);
        record(done, { ...values, grad_norm: gradNorm, learning_rate: learningRate, num_tokens: state.tokens });
        state.window = NO_SOLUTIONS;
      }
      if (evaluationDue(done)) await evaluate();
      // after the last step the model itself is saved
      if (done % config.saveSteps === 0 && done < maxSteps) await checkpoint(done);
    }
    progress.stop();
    const after = await evaluated();
    if (data.eval.length > 0) {
      if (!Number.isFinite(after.eval_loss)) throw await notFinite("evaluation loss", maxSteps, outputDir);
      record(maxSteps, after);
    }
    await saveModel(outputDir, base, optimizer.parameters(), config.weightType);
    await writeJson(join(outputDir, REWARD_MODEL_FILE), PROCESS_REWARD_MODEL);
    await writeResults(outputDir, "train", {
      train_runtime: state.step_ms / 1000,
      train_steps_per_second: (1000 * maxSteps) / state.step_ms,
      train_loss: state.loss_sum / maxSteps,
      num_tokens: state.tokens,
    });
    if (data.eval.length > 0) await writeResults(outputDir, "eval", after);
    const baseModel = config.model === baseDir ? basename(resolve(baseDir)) : config.model;
    await writeRewardCard(outputDir, { config, baseModel, backend, data, before: state.before, after });
    // last: its presence means finished
    await writeTrainerState(outputDir, metrics.state({ step: maxSteps, epoch: epochOf(maxSteps) }));
    return { outputDir, steps: maxSteps, before: state.before, after };
  } catch (error) {
    if (!isStop(error, signal)) throw error;
    if (done !== saved) await checkpoint(done);
    throw interrupted(done, outputDir);
  } finally {
    progress.stop();
    parallel.stop();
    metrics.close();
    events.close();
    optimizer.dispose();
  }
}

/** Means over the figures' steps. */
function windowMetrics(
  figures: SolutionFigures,
  { lmWeight, tokenWeight }: Pick<RewardConfig, "lmWeight" | "tokenWeight">,
): Record<string, number> {
  return {
    loss: figures.loss / figures.steps,
    accuracy: figures.correct / figures.steps,
    ...(tokenWeight > 0 && { token_loss: figures.tokenLoss / Math.max(1, figures.answeredTokens) }),
    ...(figures.comparedTokens > 0 && { comparison_loss: figures.comparisonLoss / figures.comparedTokens }),
    ...(lmWeight > 0 && { lm_loss: figures.lmLoss / Math.max(1, figures.lmTokens) }),
  };
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);
}
