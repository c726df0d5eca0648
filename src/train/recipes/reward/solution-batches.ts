// Which solutions each optimizer step sees: all of it a function of the step number and the seed, so that a resumed run needs no
// position but the step. Solutions of one question stay together (its encoding is shared); pools of batches are sorted by length.

import { createRng } from "../../../shared/rng.ts";
import { corruptedCopies, followersIn } from "./corrupted-copies.ts";
import type { LabelledTokens } from "./solution-targets.ts";

/** Batches sorted together: enough for little padding, few enough that an epoch stays a shuffle. */
const POOL_BATCHES = 16;

export interface BatchOptions {
  /** Solutions a forward pass. */
  batchSize: number;
  /** Forward passes an optimizer step. */
  accumulation: number;
  seed: number;
}

/** Indices of the solutions of each optimizer step of an epoch, cut into micro-batches. */
export function epochSteps(
  solutions: readonly LabelledTokens[],
  epoch: number,
  { batchSize, accumulation, seed }: BatchOptions,
): number[][][] {
  const rng = createRng((seed + Math.imul(epoch, 0x9e3779b9)) >>> 0);
  const questions = byQuestion(solutions);
  const length = longestOfQuestion(solutions, questions);
  const order = rng.shuffle(questions).flat();
  const batches: number[][] = [];
  for (let start = 0; start < order.length; start += POOL_BATCHES * batchSize) {
    const pool = order.slice(start, start + POOL_BATCHES * batchSize);
    pool.sort((a, b) => (length[a] ?? 0) - (length[b] ?? 0)); // stable: a question's solutions stay side by side
    const cut: number[][] = [];
    for (let i = 0; i < pool.length; i += batchSize) cut.push(pool.slice(i, i + batchSize));
    batches.push(...rng.shuffle(cut));
  }
  const steps: number[][][] = [];
  for (let i = 0; i < batches.length; i += accumulation) steps.push(batches.slice(i, i + accumulation));
  return steps;
}

/** Corrupted copies in a batch, beside its solutions and as a share of them. */
const COPIES = 0.35;

/**
 * The micro-batches of step `step` (from 0), with corrupted copies beside the solutions where the comparison is supervised. Epochs are asked
 * for in order: one at a time is kept.
 */
export function planBatches(
  solutions: readonly LabelledTokens[],
  stepsPerEpoch: number,
  config: {
    perDeviceTrainBatchSize: number;
    gradientAccumulationSteps: number;
    comparisonWeight: number;
    seed: number;
  },
): (step: number) => LabelledTokens[][] {
  const { perDeviceTrainBatchSize: batchSize, gradientAccumulationSteps: accumulation, seed } = config;
  const followers = followersIn(solutions);
  let epoch: { number: number; steps: number[][][] } | undefined;
  return (step) => {
    const number = Math.floor(step / stepsPerEpoch);
    if (epoch?.number !== number)
      epoch = { number, steps: epochSteps(solutions, number, { batchSize, accumulation, seed }) };
    const micro = epoch.steps[step % stepsPerEpoch] ?? [];
    const rng = createRng((seed ^ Math.imul(step + 1, 0x85ebca6b)) >>> 0);
    return micro.map((indices) => {
      const batch = indices.flatMap((i) => solutions[i] ?? []);
      if (config.comparisonWeight === 0) return batch;
      return [...batch, ...corruptedCopies(batch, Math.ceil(COPIES * batch.length), followers, rng)];
    });
  };
}

/** By solution, the length of the longest solution of its question: the decoder is where padding costs most. */
function longestOfQuestion(solutions: readonly LabelledTokens[], questions: readonly (readonly number[])[]): number[] {
  const longest = new Array<number>(solutions.length).fill(0);
  for (const own of questions) {
    const length = own.reduce((max, i) => Math.max(max, solutions[i]?.decoderIds.length ?? 0), 0);
    for (const i of own) longest[i] = length;
  }
  return longest;
}

function byQuestion(solutions: readonly LabelledTokens[]): number[][] {
  const groups = new Map<string, number[]>();
  solutions.forEach(({ promptIds }, i) => {
    const key = promptIds.join(" ");
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [i]);
    else group.push(i);
  });
  return [...groups.values()];
}
