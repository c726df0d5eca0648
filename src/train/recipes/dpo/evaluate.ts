// Metrics of the held-out pairs, batch by batch, so that Ctrl-C is heard between two batches; workers take their share of the pairs.

import { setImmediate as turnOfEventLoop } from "node:timers/promises";
import type { T5Config } from "../../../shared/t5-config.ts";
import type { LossSettings } from "../../loss/settings.ts";
import type { Parameters } from "../../model/parameters.ts";
import type { GradientsOfPart } from "../../optim/remote-gradients.ts";
import { addFigures, NO_FIGURES, type PairFigures } from "./figures.ts";
import type { ScoredPair } from "./pair-loss.ts";
import { runMetrics } from "./run-metrics.ts";
import { type EvaluationWork, sharePairs } from "./share-pairs.ts";
import { evaluatePairs } from "./train-step.ts";

const BATCH = 8;

/** Processes that evaluate beside this one, on the same parameters. */
export interface EvaluationWorkers {
  /** This one counted. */
  count: number;
  begin(others: readonly EvaluationWork[]): Promise<{ results(): Promise<GradientsOfPart<PairFigures>[]> }>;
}

export interface EvaluationOptions {
  loss: LossSettings;
  workers?: EvaluationWorkers | undefined;
  signal?: AbortSignal | undefined;
}

/** Means under `eval_` names; none without pairs. Throws the signal's reason when it is aborted. */
export async function evaluate(
  p: Parameters,
  config: T5Config,
  pairs: readonly ScoredPair[],
  { loss, workers, signal }: EvaluationOptions,
): Promise<Record<string, number>> {
  const batches = Array.from({ length: Math.ceil(pairs.length / BATCH) }, (_, i) =>
    pairs.slice(i * BATCH, (i + 1) * BATCH),
  );
  const [own = [], ...others] = sharePairs(batches, workers?.count ?? 1, BATCH);
  const running = await workers?.begin(others.map((evaluated) => ({ evaluated, loss })));
  let figures = NO_FIGURES;
  for (const batch of own) {
    await turnOfEventLoop();
    signal?.throwIfAborted();
    figures = addFigures(figures, evaluatePairs(p, config, batch, loss));
  }
  for (const part of (await running?.results()) ?? []) figures = addFigures(figures, part.figures);
  return figures.pairs === 0 ? {} : runMetrics(figures, "eval_");
}
