// How many optimizer steps a run has, which pairs each step sees, and at which learning rate: all of it a function of the step
// number and the seed, so that a resumed run needs no position but the step.

import { createRng } from "../../../shared/rng.ts";

export interface Schedule {
  stepsPerEpoch: number;
  maxSteps: number;
  warmupSteps: number;
}

/** The settings that the plan is made from. */
export interface ScheduleConfig {
  perDeviceTrainBatchSize: number;
  gradientAccumulationSteps: number;
  numTrainEpochs: number;
  /** 0: as many as the epochs have. */
  maxSteps: number;
  /** 0: `warmupRatio` says how many. */
  warmupSteps: number;
  warmupRatio: number;
  learningRate: number;
  seed: number;
}

/** Steps of a run over `pairs` pairs; the last step of an epoch may hold fewer. */
export function planSchedule(pairs: number, config: ScheduleConfig): Schedule {
  const perStep = config.perDeviceTrainBatchSize * config.gradientAccumulationSteps;
  const stepsPerEpoch = Math.ceil(pairs / perStep);
  const maxSteps = config.maxSteps > 0 ? config.maxSteps : Math.ceil(config.numTrainEpochs * stepsPerEpoch);
  const warmupSteps = config.warmupSteps > 0 ? config.warmupSteps : Math.ceil(config.warmupRatio * maxSteps);
  return { stepsPerEpoch, maxSteps, warmupSteps };
}

/** Learning rate of step `step` (0-based): linear warm-up, then linear decay to zero, as transformers' linear schedule. */
export function learningRateAt(step: number, schedule: Schedule, config: Pick<ScheduleConfig, "learningRate">): number {
  const { warmupSteps, maxSteps } = schedule;
  if (step < warmupSteps) return (config.learningRate * step) / Math.max(1, warmupSteps);
  return config.learningRate * Math.max(0, (maxSteps - step) / Math.max(1, maxSteps - warmupSteps));
}

/** Indices of the pairs of step `step`, cut into micro-batches; each epoch is its own shuffle. */
export function pairsOfStep(step: number, pairs: number, schedule: Schedule, config: ScheduleConfig): number[][] {
  const epoch = Math.floor(step / schedule.stepsPerEpoch);
  const order = epochOrder(pairs, config.seed, epoch);
  const batch = config.perDeviceTrainBatchSize;
  const perStep = batch * config.gradientAccumulationSteps;
  const start = (step % schedule.stepsPerEpoch) * perStep;
  const ofStep = order.slice(start, start + perStep);
  const micro: number[][] = [];
  for (let i = 0; i < ofStep.length; i += batch) micro.push(ofStep.slice(i, i + batch));
  return micro;
}

let cached: { key: string; order: number[] } | undefined;

function epochOrder(pairs: number, seed: number, epoch: number): number[] {
  const key = `${pairs}/${seed}/${epoch}`;
  if (cached?.key !== key) {
    const rng = createRng((seed + Math.imul(epoch, 0x9e3779b9)) >>> 0);
    cached = { key, order: rng.shuffle(Array.from({ length: pairs }, (_, i) => i)) };
  }
  return cached.order;
}
