// Metrics of the held-out pairs, batch by batch, so that Ctrl-C is heard between two batches.

import { setImmediate as turnOfEventLoop } from "node:timers/promises";
import type { T5Config } from "../../../shared/t5-config.ts";
import type { LossSettings } from "../../loss/settings.ts";
import type { Parameters } from "../../model/parameters.ts";
import { addFigures, NO_FIGURES } from "./figures.ts";
import type { ScoredPair } from "./pair-loss.ts";
import { runMetrics } from "./run-metrics.ts";
import { evaluatePairs } from "./train-step.ts";

const BATCH = 8;

/** Means under `eval_` names; none without pairs. Throws the signal's reason when it is aborted. */
export async function evaluate(
  p: Parameters,
  config: T5Config,
  pairs: readonly ScoredPair[],
  options: { loss: LossSettings; signal?: AbortSignal | undefined },
): Promise<Record<string, number>> {
  let figures = NO_FIGURES;
  for (let i = 0; i < pairs.length; i += BATCH) {
    await turnOfEventLoop();
    options.signal?.throwIfAborted();
    figures = addFigures(figures, evaluatePairs(p, config, pairs.slice(i, i + BATCH), options.loss));
  }
  return figures.pairs === 0 ? {} : runMetrics(figures, "eval_");
}
