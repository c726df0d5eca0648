// Gradients of a part of a batch in a second process while this one computes the rest: a small model's operations are too small for
// TensorFlow to spread over cores, processes are not. The process gets the parameters with every request and keeps no state.

import type { T5Config } from "../../shared/t5-config.ts";
import { answerRequests, startChild } from "../io/child-process.ts";
import type { Parameters } from "../model/parameters.ts";
import type { BackendChoice } from "../tensorflow/backends.ts";
import { currentBackend, startTensorflow, type Tensor, tf } from "../tensorflow/tensorflow.ts";
import { flatten, unflatten } from "./flat.ts";

/** What the process computes: figures of the work, plain data, and its gradients. */
export type ComputeGradients<Work, Figures> = (
  p: Parameters,
  config: T5Config,
  work: Work,
) => { figures: Figures; gradients: Record<string, Tensor> };

interface Request<Work> {
  backend: BackendChoice;
  config: T5Config;
  layout: { name: string; shape: number[] }[];
  parameters: Float32Array;
  work: Work;
}

interface Answer<Figures> {
  figures: Figures;
  gradients: Float32Array;
}

export interface RemoteGradients<Work, Figures> {
  /** Sends the work and returns once it is under way; `result` then waits for it. One request at a time. */
  begin(
    p: Parameters,
    work: Work,
  ): Promise<{ result(): Promise<{ figures: Figures; gradients: Record<string, Tensor> }> }>;
  stop(): void;
}

/** Starts the process whose module calls `answerGradientRequests`; the caller stops it. Errors are those of `startChild`. */
export function startRemoteGradients<Work, Figures>(module: URL, config: T5Config): RemoteGradients<Work, Figures> {
  const child = startChild<Request<Work>, Answer<Figures>>(module, {
    name: "process that computes gradients",
    code: "gradients_ended",
    fix: "Free some memory, or use fewer processes; the run can be resumed.",
  });
  return {
    async begin(p, work) {
      const layout = Object.entries(p).map(([name, { shape }]) => ({ name, shape }));
      const names = layout.map(({ name }) => name);
      const parameters = flatten(p, names);
      const { answer } = await child.begin({ backend: currentBackend(), config, layout, parameters, work });
      return {
        async result() {
          const { figures, gradients } = await answer;
          return { figures, gradients: unflatten(gradients, layout) };
        },
      };
    },
    stop: () => child.stop(),
  };
}

/** The process's side: answers every request, until its parent is gone. */
export function answerGradientRequests<Work, Figures>(compute: ComputeGradients<Work, Figures>): void {
  answerRequests<Request<Work>, Answer<Figures>>(async ({ backend, config, layout, parameters, work }) => {
    await startTensorflow(backend);
    const p = unflatten(parameters, layout);
    try {
      const { figures, gradients } = compute(p, config, work);
      const names = layout.map(({ name }) => name);
      const flat = flatten(gradients, names);
      tf.dispose(gradients);
      return { figures, gradients: flat };
    } finally {
      tf.dispose(p);
    }
  });
}
