// The pairs of an optimizer step for several workers: each gets about as many tokens, in micro-batches no larger than before. The loss is a
// mean over pairs, so it makes no difference but of rounding who computes which.

import type { T5Config } from "../../../shared/t5-config.ts";
import type { LossSettings } from "../../loss/settings.ts";
import type { Parameters } from "../../model/parameters.ts";
import type { ForwardOptions } from "../../model/t5.ts";
import {
  type ParallelGradients,
  type ParallelOptions,
  startParallelGradients,
} from "../../optim/parallel-gradients.ts";
import { addFigures, NO_FIGURES, type PairFigures, sum } from "./figures.ts";
import type { ScoredPair } from "./pair-loss.ts";
import { evaluatePairs, stepGradients } from "./train-step.ts";

/** What a worker is sent in training. */
export interface TrainingWork {
  microBatches: ScoredPair[][];
  settings: LossSettings & ForwardOptions;
  /** Pairs of the whole step. */
  of: number;
}

/** And in an evaluation, of which only figures come back. */
export interface EvaluationWork {
  evaluated: ScoredPair[][];
  loss: LossSettings;
}

export type PairWork = TrainingWork | EvaluationWork;

/** As every worker computes it. */
export function pairGradients(
  p: Parameters,
  config: T5Config,
  work: PairWork,
  frozen: Parameters,
): ReturnType<typeof stepGradients> {
  if ("microBatches" in work) {
    const { microBatches, settings, of } = work;
    return stepGradients(p, config, microBatches, { ...settings, of, frozen });
  }
  const all = { ...frozen, ...p };
  const figures = work.evaluated.map((batch) => evaluatePairs(all, config, batch, work.loss));
  return { figures: figures.reduce(addFigures, NO_FIGURES), gradients: {} };
}

/** Starts `processes - 1` further processes; the caller stops them. */
export function startPairGradients(
  options: Pick<ParallelOptions<PairWork, PairFigures>, "processes" | "config" | "trained" | "frozen" | "log">,
): ParallelGradients<PairWork, PairFigures> {
  return startParallelGradients<PairWork, PairFigures>({
    ...options,
    module: new URL("./gradient-process.ts", import.meta.url),
    compute: pairGradients,
    add: addFigures,
  });
}

function tokensOf({ promptIds, chosenIds, rejectedIds }: ScoredPair): number {
  return promptIds.length + chosenIds.length + rejectedIds.length;
}

/**
 * The micro-batches of each worker, those without a pair left out: the longest pair goes first, to the worker with the fewest tokens so
 * far. One worker has the micro-batches as they are.
 */
export function sharePairs(
  microBatches: readonly (readonly ScoredPair[])[],
  workers: number,
  batchSize: number,
): ScoredPair[][][] {
  if (workers === 1) return [microBatches.map((batch) => [...batch])];
  const pairs = microBatches.flat();
  const shares = Array.from({ length: workers }, () => ({ tokens: 0, places: [] as number[] }));
  const longestFirst = pairs
    .map((pair, place) => ({ place, tokens: tokensOf(pair) }))
    .sort((a, b) => b.tokens - a.tokens);
  for (const { place, tokens } of longestFirst) {
    const least = shares.reduce((a, b) => (b.tokens < a.tokens ? b : a));
    least.tokens += tokens;
    least.places.push(place);
  }
  return shares
    .filter(({ places }) => places.length > 0)
    .map(({ places }) => {
      const own = places.sort((a, b) => a - b).flatMap((place) => pairs[place] ?? []);
      const count = Math.ceil(own.length / batchSize);
      return Array.from({ length: count }, (_, i) => own.slice(i * batchSize, (i + 1) * batchSize));
    });
}

/** What all workers are sent for a step. */
export function pairWork(
  microBatches: readonly (readonly ScoredPair[])[],
  workers: number,
  settings: LossSettings & ForwardOptions & { perDeviceTrainBatchSize: number },
): TrainingWork[] {
  const of = sum(microBatches.map((batch) => batch.length));
  const shares = sharePairs(microBatches, workers, settings.perDeviceTrainBatchSize);
  return shares.map((share) => ({ microBatches: share, settings, of }));
}
