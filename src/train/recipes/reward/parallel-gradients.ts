// The gradients of an optimizer step, over one or several processes: each micro-batch is cut into as many parts, and the sums are added
// in a fixed order, so that the same seed and number of processes give the same curve.

import type { T5Config } from "../../../shared/t5-config.ts";
import type { Parameters } from "../../model/parameters.ts";
import { addGradients } from "../../optim/gradients.ts";
import { startRemoteGradients } from "../../optim/remote-gradients.ts";
import type { Tensor } from "../../tensorflow/tensorflow.ts";
import { addSolutionFigures, type SolutionFigures } from "./solution-figures.ts";
import { endsPredict, lossCounts, type SolutionLossOptions, solutionGradients } from "./solution-loss.ts";
import type { LabelledTokens } from "./solution-targets.ts";

/** What a process is sent. */
export interface SolutionWork {
  microBatches: LabelledTokens[][];
  options: SolutionLossOptions;
}

export interface ParallelGradients {
  /** As `solutionGradients`. */
  gradients(
    p: Parameters,
    microBatches: readonly (readonly LabelledTokens[])[],
    options: SolutionLossOptions,
  ): Promise<{ gradients: Record<string, Tensor>; figures: SolutionFigures }>;
  stop(): void;
}

/** Part `part` of `parts` of a list, side by side, of like size. */
export function partOf<T>(list: readonly T[], part: number, parts: number): T[] {
  return list.slice(Math.floor((part * list.length) / parts), Math.floor(((part + 1) * list.length) / parts));
}

/** Starts `processes - 1` further processes; the caller stops them. */
export function startParallelGradients(config: T5Config, processes: number): ParallelGradients {
  const remotes = Array.from({ length: processes - 1 }, () =>
    startRemoteGradients<SolutionWork, SolutionFigures>(new URL("./solution-process.ts", import.meta.url), config),
  );
  return {
    async gradients(p, microBatches, options) {
      if (processes === 1) return solutionGradients(p, config, microBatches, options);
      const shared = { ...options, of: lossCounts(microBatches.flat(), endsPredict(config, options)) };
      const work = (part: number): LabelledTokens[][] =>
        microBatches.map((batch) => partOf(batch, part, processes)).filter((batch) => batch.length > 0);
      const running = [];
      for (const [i, remote] of remotes.entries()) {
        const theirs = work(i + 1);
        if (theirs.length > 0) running.push(await remote.begin(p, { microBatches: theirs, options: shared }));
      }
      const ours = work(0);
      const own = ours.length > 0 ? solutionGradients(p, config, ours, shared) : undefined;
      let figures = own?.figures;
      let gradients = own?.gradients;
      for (const { result } of running) {
        const part = await result();
        figures = figures === undefined ? part.figures : addSolutionFigures(figures, part.figures);
        gradients = addGradients(gradients, part.gradients);
      }
      if (figures === undefined || gradients === undefined) throw new RangeError("a step without solutions");
      return { gradients, figures };
    },
    stop() {
      for (const remote of remotes) remote.stop();
    },
  };
}
