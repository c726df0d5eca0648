// A second process that computes gradients of its own batches while this one computes others: a small model's operations are too
// small for TensorFlow to spread over cores, two processes are not. It gets the parameters with every request and keeps no state.

import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { T5Config } from "../../shared/t5-config.ts";
import type { Parameters } from "../model/parameters.ts";
import { currentBackend, type Tensor } from "../tensorflow.ts";
import { flatten, unflatten } from "./flat.ts";
import type { GradientAnswer, GradientRequest } from "./gradient-process.ts";
import type { TaskBatches } from "./losses.ts";

export interface RemoteGradients {
  /** Sends the work and returns once it is under way; `result` then waits for it. */
  begin(
    p: Parameters,
    batches: TaskBatches,
  ): Promise<{ result(): Promise<{ losses: Record<string, number>; gradients: Record<string, Tensor> }> }>;
  stop(): void;
}

/** Starts the process; the caller stops it. One request at a time. */
export function startRemoteGradients(config: T5Config): RemoteGradients {
  const child: ChildProcess = fork(fileURLToPath(new URL("./gradient-process.ts", import.meta.url)), {
    serialization: "advanced",
    execArgv: ["--import", "tsx"],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  return {
    async begin(p, batches) {
      const layout = Object.entries(p).map(([name, { shape }]) => ({ name, shape }));
      const request: GradientRequest = {
        backend: currentBackend(),
        config,
        layout,
        parameters: flatten(
          p,
          layout.map(({ name }) => name),
        ),
        batches,
      };
      const answered = new Promise<GradientAnswer>((resolve, reject) => {
        const failed = (code: number | null): void => reject(new Error(`the gradient process ended (${code})`));
        child.once("exit", failed);
        child.once("message", (message: GradientAnswer) => {
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
          return { losses: answer.losses, gradients: unflatten(answer.gradients, layout) };
        },
      };
    },
    stop: () => child.kill(),
  };
}
