// Pretraining of the small base model, top to bottom: endless problems, three tasks a step on two processes, AdamW with warm-up, a constant rate, and a
// linear decay to zero over the last part. Resumable; evaluation by greedy solving and step judging on held-out problems.

import { appendFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { createRng, type Rng, restoreRng } from "../../../shared/rng.ts";
import { createProgress } from "../../io/progress.ts";
import { ADAMW_DEFAULTS, createAdamW } from "../../optim/adamw.ts";
import { addGradients, clipByGlobalNorm } from "../../optim/gradients.ts";
import { startRemoteGradients } from "../../optim/remote-gradients.ts";
import { loadModel, loadTokenizer, saveModel } from "../../store/model-folder.ts";
import { tf } from "../../tensorflow/tensorflow.ts";
import {
  checkpointDir,
  listCheckpoints,
  loadCheckpointState,
  pruneCheckpoints,
  saveCheckpoint,
} from "../run/checkpoint.ts";
import { LOG_FILE } from "./base-model-card.ts";
import { drawBatches, type Example, type Task } from "./examples.ts";
import { type PretrainFigures, pretrainGradients, type TaskBatches } from "./losses.ts";
import { withWordCache } from "./word-cache.ts";

export interface PretrainOptions {
  /** Folder of the initial model (see `initModel`). */
  modelDir: string;
  outputDir: string;
  steps: number;
  batchSize: number;
  judgeBatchSize: number;
  checkBatchSize: number;
  /** Share of the problems that have 2 or 3 steps. */
  shortShare: number;
  learningRate: number;
  warmupSteps: number;
  /** The last steps, over which the rate falls to zero. */
  decaySteps: number;
  seed: number;
  saveSteps: number;
  resume: boolean;
}

/** Batches drawn at once; the position in a pool is part of a checkpoint by saving only between pools. */
const POOL_BATCHES = 25;

/** Results to fill in, as a share of the single-step checks. */
const FILL_SHARE = 0.3;

/** Warm-up, plateau, linear decay ("trapezoidal"): the length can still be changed while on the plateau. */
export function pretrainRate(
  step: number,
  options: Pick<PretrainOptions, "steps" | "learningRate" | "warmupSteps" | "decaySteps">,
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
  const tokens = (examples: readonly Example[]): number =>
    examples.reduce((sum, { input, labels }) => sum + input.length + labels.length, 0);
  let left = (tokens(judge) - tokens(others)) / 2;
  let count = 0;
  for (const example of judge) {
    const size = tokens([example]);
    if (left < size) break;
    left -= size;
    count++;
  }
  return { here: judge.slice(0, count), there: judge.slice(count) };
}

const stateSchema = z.object({ rng: z.array(z.number()) });

/** Runs pretraining; the final model is written to `outputDir`. */
export async function pretrain(options: PretrainOptions): Promise<void> {
  const checkpoints = options.resume ? await listCheckpoints(options.outputDir) : [];
  const first = checkpoints.at(-1) ?? 0;
  const resumedFrom = first > 0 ? checkpointDir(options.outputDir, first) : undefined;
  const model = await loadModel(resumedFrom ?? options.modelDir);
  const { config } = model;
  const tokenizer = withWordCache(await loadTokenizer(model.dir, config));
  const restored = resumedFrom === undefined ? undefined : await loadCheckpointState(resumedFrom);
  const rng: Rng = restored === undefined ? createRng(options.seed) : restoreRng(stateSchema.parse(restored.state).rng);
  const optimizer = createAdamW(model.parameters, ADAMW_DEFAULTS, restored?.optimizer);
  const from = { ...model, dir: options.modelDir };
  await mkdir(options.outputDir, { recursive: true });
  const remote = startRemoteGradients<TaskBatches, PretrainFigures>(
    new URL("./gradient-process.ts", import.meta.url),
    config,
  );
  const progress = createProgress({ title: "pretrain", total: options.steps, initial: first });
  try {
    for (let step = first; step < options.steps; ) {
      const draw = (task: Task, size: number): Example[][] =>
        drawBatches(rng, tokenizer, task, { batches: POOL_BATCHES, size, shortShare: options.shortShare });
      const solve = draw("solve", options.batchSize);
      const judge = draw("judge", options.judgeBatchSize);
      const check = draw("check", options.checkBatchSize);
      const fill = draw("fill", Math.ceil(options.checkBatchSize * FILL_SHARE));
      for (let i = 0; i < POOL_BATCHES && step < options.steps; i++, step++) {
        const parameters = optimizer.parameters();
        const batches = { solve: solve[i] ?? [], check: check[i] ?? [], fill: fill[i] ?? [] };
        const { here, there } = shareOut(judge[i] ?? [], Object.values(batches).flat());
        const judging = await remote.begin(parameters, { judge: there });
        const solved = pretrainGradients(parameters, config, { ...batches, ...(here.length > 0 && { judge: here }) });
        const judged = await judging.result();
        const losses = { ...solved.figures, ...judged.figures };
        const gradients = addGradients(solved.gradients, judged.gradients);
        const gradNorm = clipByGlobalNorm(gradients, 1);
        const learningRate = pretrainRate(step, options);
        optimizer.step(gradients, learningRate);
        tf.dispose(gradients);
        const figures = { ...losses, grad_norm: gradNorm, learning_rate: learningRate };
        progress.update(step + 1, figures);
        await appendFile(join(options.outputDir, LOG_FILE), `${JSON.stringify({ step: step + 1, ...figures })}\n`);
      }
      if (step % options.saveSteps === 0 || step >= options.steps) {
        await saveCheckpoint(options.outputDir, step, {
          from,
          parameters: optimizer.parameters(),
          optimizer: await optimizer.state(),
          state: { rng: rng.state() },
        });
        await pruneCheckpoints(options.outputDir, 3);
      }
    }
    await saveModel(options.outputDir, from, optimizer.parameters());
  } finally {
    progress.stop();
    optimizer.dispose();
    remote.stop();
  }
}
