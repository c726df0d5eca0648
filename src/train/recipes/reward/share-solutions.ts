// The solutions of an optimizer step for several workers: each micro-batch is cut into as many parts. Sums over places are divided by the
// counts of the whole step, so it makes no difference but of rounding who computes which.

import type { T5Config } from "../../../shared/t5-config.ts";
import {
  type ParallelGradients,
  type ParallelOptions,
  startParallelGradients,
} from "../../optim/parallel-gradients.ts";
import { addSolutionFigures, type SolutionFigures } from "./solution-figures.ts";
import { endsPredict, lossCounts, type SolutionLossOptions, solutionGradients } from "./solution-loss.ts";
import type { LabelledTokens } from "./solution-targets.ts";

/** What a worker is sent. */
export interface SolutionWork {
  microBatches: LabelledTokens[][];
  options: SolutionLossOptions;
}

/** Starts `processes - 1` further processes; the caller stops them. */
export function startSolutionGradients(
  options: Pick<ParallelOptions<SolutionWork, SolutionFigures>, "processes" | "config" | "trained" | "log">,
): ParallelGradients<SolutionWork, SolutionFigures> {
  return startParallelGradients<SolutionWork, SolutionFigures>({
    ...options,
    module: new URL("./solution-process.ts", import.meta.url),
    compute: (p, config, { microBatches, options }) => solutionGradients(p, config, microBatches, options),
    add: addSolutionFigures,
  });
}

/** Part `part` of `parts` of a list, side by side, of like size. */
function partOf<T>(list: readonly T[], part: number, parts: number): T[] {
  return list.slice(Math.floor((part * list.length) / parts), Math.floor(((part + 1) * list.length) / parts));
}

/** What all workers are sent for a step; those without a solution are left out. */
export function solutionWork(
  microBatches: readonly (readonly LabelledTokens[])[],
  { workers, config, loss }: { workers: number; config: T5Config; loss: SolutionLossOptions },
): SolutionWork[] {
  const options = { ...loss, of: lossCounts(microBatches.flat(), endsPredict(config, loss)) };
  return Array.from({ length: workers }, (_, i) => ({
    microBatches: microBatches.map((batch) => partOf(batch, i, workers)).filter((batch) => batch.length > 0),
    options,
  })).filter((work) => work.microBatches.length > 0);
}
