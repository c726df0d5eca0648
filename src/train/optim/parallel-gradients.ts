// The gradients of an optimizer step over one or several processes: this one computes the first part, further ones the others, and the sums
// are added in a fixed order, so that the same seed and number of processes give the same curve.

import type { Parameters } from "../model/parameters.ts";
import { addGradients } from "./gradients.ts";
import {
  type ComputeGradients,
  type GradientsOfPart,
  type RemoteOptions,
  startRemoteGradients,
} from "./remote-gradients.ts";

export interface ParallelOptions<Work, Figures> extends RemoteOptions {
  /** Answers with the same `compute` in a process of its own (`answerGradientRequests`). */
  module: URL;
  compute: ComputeGradients<Work, Figures>;
  /** Figures of two parts together. */
  add(a: Figures, b: Figures): Figures;
}

export interface ParallelGradients<Work, Figures> {
  /** The sum of the parts' gradients, which the caller disposes; at least one part, and no more than processes. */
  gradients(p: Parameters, parts: readonly Work[]): Promise<GradientsOfPart<Figures>>;
  /**
   * Sends parts to as many further processes, and returns once they are under way: this one computes its own meanwhile, as it likes.
   * `results` then waits for all of them, in order.
   */
  begin(p: Parameters, others: readonly Work[]): Promise<{ results(): Promise<GradientsOfPart<Figures>[]> }>;
  stop(): void;
}

/** Starts all processes but this one; the caller stops them. */
export function startParallelGradients<Work, Figures>(
  options: ParallelOptions<Work, Figures>,
): ParallelGradients<Work, Figures> {
  const { module, compute, add, config, frozen = {}, processes } = options;
  const remote =
    processes === 1 ? undefined : startRemoteGradients<Work, Figures>(module, { ...options, processes: processes - 1 });
  const begin: ParallelGradients<Work, Figures>["begin"] = async (p, others) =>
    others.length === 0 || remote === undefined ? { results: async () => [] } : remote.begin(p, others);
  return {
    begin,
    async gradients(p, [own, ...others]) {
      if (own === undefined) throw new RangeError("a step without work");
      const running = await begin(p, others);
      let { figures, gradients } = compute(p, config, own, frozen);
      for (const part of await running.results()) {
        figures = add(figures, part.figures);
        gradients = addGradients(gradients, part.gradients);
      }
      return { figures, gradients };
    },
    stop: () => remote?.stop(),
  };
}
