// Pretraining of the small base model, top to bottom: endless problems, three tasks a step on two processes, AdamW with warm-up, a constant
// rate, and a linear decay to zero over the last part (run-steps.ts: with logs, checkpoints, stops). What it knows in the end is measured by
// base-model-report.ts.

import { z } from "zod";
import { createRng, type Rng, restoreRng } from "../../../shared/rng.ts";
import type { TextTokenizer } from "../../../shared/tokenizer.ts";
import { ADAMW_DEFAULTS, createAdamW } from "../../optim/adamw.ts";
import { startParallelGradients } from "../../optim/parallel-gradients.ts";
import { loadModel, loadTokenizer, saveModel } from "../../store/model-folder.ts";
import { checkpointDir } from "../run/checkpoint.ts";
import { beginRunFolder, firstStep, PRETRAIN_CONFIG_FILE } from "../run/run-folder.ts";
import type { RunOptions } from "../run/run-options.ts";
import { loadRunState, newRunState, runStateSchema } from "../run/run-state.ts";
import { runSteps, type StepResult } from "../run/run-steps.ts";
import { settingsToJson } from "../run/settings.ts";
import { type Curriculum, drawBatches, type Example, type Task } from "./examples.ts";
import { type PretrainFigures, pretrainGradients, type TaskBatches } from "./losses.ts";
import { withWordCache } from "./word-cache.ts";

export interface PretrainConfig extends Curriculum {
  /** Folder of the model to start from: random weights (see `initModel`), or one trained before. */
  modelDir: string;
  /** The folder that a base model was made from, where it was not made from random weights: kept for a run that resumes. */
  from?: string | undefined;
  outputDir: string;
  steps: number;
  batchSize: number;
  judgeBatchSize: number;
  checkBatchSize: number;
  learningRate: number;
  warmupSteps: number;
  /** The last steps, over which the rate falls to zero. */
  decaySteps: number;
  seed: number;
  saveSteps: number;
}

/** Batches drawn at once: what the logs call an epoch. */
const POOL_BATCHES = 25;

/** Results to fill in, as a share of the single-step checks. */
const FILL_SHARE = 0.3;

/** Warm-up, plateau, linear decay ("trapezoidal"): the length can still be changed while on the plateau. */
export function pretrainRate(
  step: number,
  options: Pick<PretrainConfig, "steps" | "learningRate" | "warmupSteps" | "decaySteps">,
): number {
  const { steps, learningRate, warmupSteps, decaySteps } = options;
  const up = Math.min(1, (step + 1) / warmupSteps);
  const down = Math.min(1, Math.max(0, (steps - step) / decaySteps));
  return learningRate * Math.min(up, down);
}

/**
 * Shares the judge's examples out over the two processes, so that with `others` (done here) both have about as many tokens. Each part's
 * loss is a mean of its own.
 */
export function shareOut(judge: readonly Example[], others: readonly Example[]): { here: Example[]; there: Example[] } {
  let left = (tokensOf(judge) - tokensOf(others)) / 2;
  let count = 0;
  for (const example of judge) {
    const size = tokensOf([example]);
    if (left < size) break;
    left -= size;
    count++;
  }
  return { here: judge.slice(0, count), there: judge.slice(count) };
}

function tokensOf(examples: readonly Example[]): number {
  return examples.reduce((sum, { input, labels }) => sum + input.length + labels.length, 0);
}

/** Of one step: each is logged, so nothing is summed over several. */
interface StepLosses {
  tokens: number;
  losses: PretrainFigures;
}

const NO_LOSSES: StepLosses = { tokens: 0, losses: {} };

const stateSchema = runStateSchema(z.object({ tokens: z.number(), losses: z.record(z.string(), z.number()) })).extend({
  /** Random state from before the pool was drawn that the next step is in. */
  rng: z.array(z.number()),
});

/** The loss, which is the sum of all terms, and each term under its own name. */
function stepMetrics({ losses }: StepLosses): Record<string, number> {
  return { loss: Object.values(losses).reduce((sum, loss) => sum + loss, 0), ...losses };
}

/** The batches of each step, drawn a pool at a time from where `rng` stands; steps are asked for in order. */
function drawPools(
  rng: Rng,
  tokenizer: TextTokenizer,
  config: PretrainConfig,
): (step: number) => Record<Task, Example[]> {
  const { shortShare, misreadShare } = config;
  const curriculum = { shortShare, misreadShare };
  const draw = (task: Task, size: number): Example[][] =>
    drawBatches(rng, tokenizer, task, { ...curriculum, batches: POOL_BATCHES, size });
  let pool: { number: number; batches: Record<Task, Example[][]> } | undefined;
  return (step) => {
    const number = Math.floor(step / POOL_BATCHES);
    if (pool?.number !== number) {
      const solve = draw("solve", config.batchSize);
      const judge = draw("judge", config.judgeBatchSize);
      const check = draw("check", config.checkBatchSize);
      const fill = draw("fill", Math.ceil(config.checkBatchSize * FILL_SHARE));
      pool = { number, batches: { solve, judge, check, fill } };
    }
    const { solve, judge, check, fill } = pool.batches;
    const i = step % POOL_BATCHES;
    return { solve: solve[i] ?? [], judge: judge[i] ?? [], check: check[i] ?? [], fill: fill[i] ?? [] };
  };
}

/** Runs pretraining; the final model is written to `outputDir`. Throws CapacityError for a loss that is not finite, and "interrupted". */
export async function pretrain(config: PretrainConfig, run: Omit<RunOptions, "exportOnnx"> = {}): Promise<void> {
  const { outputDir, steps } = config;
  const first = await firstStep(outputDir, run);
  const checkpoint = first > 0 ? checkpointDir(outputDir, first) : undefined;
  const json = settingsToJson({ ...config });
  const resumed =
    checkpoint === undefined
      ? undefined
      : await loadRunState(checkpoint, stateSchema, { config: {}, free: [], same: [] }); // rates, sizes and length may change
  const rng = resumed === undefined ? createRng(config.seed) : restoreRng(resumed.state.rng);
  const state = resumed?.state ?? { ...newRunState(NO_LOSSES, json), rng: [...rng.state()] };
  const model = await loadModel(checkpoint ?? config.modelDir);
  const tokenizer = withWordCache(await loadTokenizer(model.dir, model.config));
  const batchesOf = drawPools(rng, tokenizer, config);
  const optimizer = createAdamW(model.parameters, ADAMW_DEFAULTS, resumed?.optimizer);
  const from = { ...model, dir: config.modelDir };
  const parallel = startParallelGradients<TaskBatches, PretrainFigures>({
    module: new URL("./gradient-process.ts", import.meta.url),
    processes: 2,
    config: model.config,
    trained: optimizer.parameters(),
    compute: pretrainGradients,
    add: (own, judged) => ({ ...own, ...judged }),
  });
  const step = async (number: number): Promise<StepResult<StepLosses>> => {
    const { judge, ...others } = batchesOf(number);
    if ((number + 1) % POOL_BATCHES === 0) state.rng = [...rng.state()];
    const { here, there } = shareOut(judge, [...others.solve, ...others.check, ...others.fill]);
    const batches = { ...others, ...(here.length > 0 && { judge: here }) };
    const { gradients, figures } = await parallel.gradients(optimizer.parameters(), [batches, { judge: there }]);
    const tokens = tokensOf([...judge, ...Object.values(others).flat()]);
    return { gradients, figures: { tokens, losses: figures } };
  };
  try {
    await beginRunFolder(outputDir, first, { file: PRETRAIN_CONFIG_FILE, json });
    await runSteps({
      title: "pretrain",
      shown: ["loss", "solve_loss", "fill_loss", "judge_loss", "check_loss", "grad_norm", "lr"],
      outputDir,
      settings: {
        numTrainEpochs: steps / POOL_BATCHES,
        perDeviceTrainBatchSize: config.batchSize,
        maxGradNorm: 1,
        loggingSteps: 1,
        saveSteps: config.saveSteps,
        evalSteps: null,
        saveTotalLimit: 3,
        saveLast: true,
      },
      schedule: { maxSteps: steps, stepsPerEpoch: POOL_BATCHES },
      first,
      state,
      optimizer,
      figures: { none: NO_LOSSES, add: (_, latest) => latest, metrics: stepMetrics },
      step,
      learningRate: (number) => pretrainRate(number, config),
      evaluate: async () => ({}),
      save: (dir) => saveModel(dir, from, optimizer.parameters()),
      finish: () => saveModel(outputDir, from, optimizer.parameters()),
      signal: run.signal,
    });
  } finally {
    optimizer.dispose();
    parallel.stop();
  }
}
