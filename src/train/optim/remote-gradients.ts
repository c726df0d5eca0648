// Gradients of a part of a batch in a second process while this one computes the rest: a small model's operations are too small for
// TensorFlow to spread over cores, processes are not. The process gets the parameters with every request and keeps no state.

import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { T5Config } from "../../shared/t5-config.ts";
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

type Answer<Figures> = { figures: Figures; gradients: Float32Array } | { error: string };

export interface RemoteGradients<Work, Figures> {
  /** Sends the work and returns once it is under way; `result` then waits for it. One request at a time. */
  begin(
    p: Parameters,
    work: Work,
  ): Promise<{ result(): Promise<{ figures: Figures; gradients: Record<string, Tensor> }> }>;
  stop(): void;
}

/** Starts the process whose module calls `answerGradientRequests`; the caller stops it. */
export function startRemoteGradients<Work, Figures>(module: URL, config: T5Config): RemoteGradients<Work, Figures> {
  const child: ChildProcess = fork(fileURLToPath(module), {
    serialization: "advanced",
    execArgv: ["--import", "tsx"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  return {
    async begin(p, work) {
      const layout = Object.entries(p).map(([name, { shape }]) => ({ name, shape }));
      const names = layout.map(({ name }) => name);
      const request: Request<Work> = { backend: currentBackend(), config, layout, parameters: flatten(p, names), work };
      const answered = new Promise<Answer<Figures>>((resolve, reject) => {
        const failed = (code: number | null): void => reject(new Error(`the gradient process ended (${code})`));
        child.once("exit", failed);
        child.once("message", (message: Answer<Figures>) => {
          child.off("exit", failed);
          resolve(message);
        });
      });
      answered.catch(() => {}); // reported by result()
      await new Promise<void>((resolve, reject) =>
        child.send(request, (error) => (error === null ? resolve() : reject(error))),
      );
      return {
        async result() {
          const answer = await answered;
          if ("error" in answer) throw new Error(answer.error);
          return { figures: answer.figures, gradients: unflatten(answer.gradients, layout) };
        },
      };
    },
    stop: () => child.kill("SIGKILL"), // it holds nothing, and does not hear Ctrl-C
  };
}

/** The process's side: answers every request, until its parent is gone. */
export function answerGradientRequests<Work, Figures>(compute: ComputeGradients<Work, Figures>): void {
  const answer = async ({ backend, config, layout, parameters, work }: Request<Work>): Promise<Answer<Figures>> => {
    await startTensorflow(backend);
    const p = unflatten(parameters, layout);
    const { figures, gradients } = compute(p, config, work);
    const names = layout.map(({ name }) => name);
    const flat = flatten(gradients, names);
    tf.dispose([p, gradients]);
    return { figures, gradients: flat };
  };
  process.on("message", (request: Request<Work>) => {
    answer(request).then(
      (result) => process.send?.(result),
      (error: unknown) => process.send?.({ error: String(error) }),
    );
  });
  process.on("SIGINT", () => {}); // Ctrl-C reaches both: the parent finishes its step, for which it needs this answer
  process.on("SIGTERM", () => {});
  process.on("disconnect", () => process.exit());
}
