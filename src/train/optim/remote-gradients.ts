// Gradients of parts of a step in other processes while this one computes its own: a small model's operations are too small for TensorFlow to
// spread over cores, processes are not. They keep no state but the frozen parameters: the trained ones are handed over with every request, so
// one that dies is replaced, and its part computed again to the same numbers.
//
//   exchange file:  trained parameters | frozen parameters | gradients of process 1 | of process 2 | ...

import { CapacityError } from "../../shared/errors.ts";
import type { T5Config } from "../../shared/t5-config.ts";
import { answerRequests, type Child, FIRST_FILE, startChild } from "../io/child-process.ts";
import { closeExchangeFile, openExchangeFile } from "../io/exchange-file.ts";
import type { Parameters } from "../model/parameters.ts";
import type { BackendChoice, Precision } from "../tensorflow/backends.ts";
import { currentBackend, currentPrecision, startTensorflow, type Tensor, tf } from "../tensorflow/tensorflow.ts";
import { type Layout, layoutOf, readTensors, sizeOf, writeTensors } from "./exchange.ts";

/** What a process computes: figures of the work, plain data, and the gradients of the trained parameters `p`; none where it only evaluates. */
export type ComputeGradients<Work, Figures> = (
  p: Parameters,
  config: T5Config,
  work: Work,
  frozen: Parameters,
) => { figures: Figures; gradients: Record<string, Tensor> };

interface Opening {
  backend: BackendChoice;
  precision: Precision;
  config: T5Config;
  trained: Layout;
  frozen: Layout;
  /** Where its gradients go. */
  place: number;
}

type Request<Work> = { open: Opening } | { work: Work };
type Answer<Figures> = { figures: Figures; hasGradients: boolean } | "open";

export interface GradientsOfPart<Figures> {
  figures: Figures;
  /** The caller disposes them. */
  gradients: Record<string, Tensor>;
}

export interface RemoteGradients<Work, Figures> {
  /**
   * Sends work to as many processes and returns once it is under way; `results` then waits for all of it, in order. One request at a time.
   * Throws the processes' own errors, CapacityError "gradients_ended" where one dies that has just been replaced.
   */
  begin(p: Parameters, works: readonly Work[]): Promise<{ results(): Promise<GradientsOfPart<Figures>[]> }>;
  stop(): void;
}

export interface RemoteOptions {
  processes: number;
  config: T5Config;
  /** Of the names and shapes that `begin` is given. */
  trained: Parameters;
  /** Handed over once. */
  frozen?: Parameters | undefined;
  log?: ((line: string) => void) | undefined;
}

const ENDED = "gradients_ended";

/** Whether `error` says that a process of `startRemoteGradients` died. */
export function isEndOfProcess(error: unknown): error is CapacityError {
  return error instanceof CapacityError && error.code === ENDED;
}

/** Processes of a run that are replaced: what kills more than that is no accident. */
const MOST_REPLACED = 3;

/** Starts processes whose module calls `answerGradientRequests`, on this process's backend; the caller stops them. */
export function startRemoteGradients<Work, Figures>(
  module: URL,
  options: RemoteOptions,
): RemoteGradients<Work, Figures> {
  const { processes, config, log = () => {} } = options;
  const trained = layoutOf(options.trained);
  const frozen = layoutOf(options.frozen ?? {});
  const gradients = sizeOf(trained) + sizeOf(frozen);
  const placeOf = (process: number): number => gradients + process * sizeOf(trained);
  const file = openExchangeFile(4 * placeOf(processes));
  writeTensors(file, options.frozen ?? {}, frozen, sizeOf(trained));
  const start = (place: number): Child<Request<Work>, Answer<Figures>> => {
    const child = startChild<Request<Work>, Answer<Figures>>(module, {
      name: "process that computes gradients",
      code: ENDED,
      fix: "Free some memory, or use fewer processes; the run can be resumed.",
      files: [file],
    });
    const open = { backend: currentBackend(), precision: currentPrecision(), config, trained, frozen, place };
    child.begin({ open }).catch(() => {}); // a failure to open is told by the first answer
    return child;
  };
  const children = Array.from({ length: processes }, (_, i) => start(placeOf(i)));
  let replaced = 0;
  let failure: CapacityError | undefined;
  let stopped = false;
  const again = async (i: number, work: Work, error: unknown): Promise<Answer<Figures>> => {
    if (!isEndOfProcess(error) || stopped) throw error;
    if (failure !== undefined || replaced === MOST_REPLACED) throw failure ?? error;
    replaced++;
    log(`${error.what}: another one takes its place`);
    const child = start(placeOf(i));
    children[i] = child;
    return child.ask({ work }).catch((second: unknown) => {
      if (isEndOfProcess(second)) failure = second;
      throw second;
    });
  };
  return {
    async begin(p, works) {
      writeTensors(file, p, trained, 0);
      const running: { work: Work; answer: Promise<Answer<Figures>> }[] = [];
      for (const [i, work] of works.entries()) {
        const child = children[i];
        if (child === undefined) throw new RangeError(`${works.length} parts for ${processes} processes`);
        running.push({ work, ...(await child.begin({ work })) });
      }
      return {
        async results() {
          const parts: GradientsOfPart<Figures>[] = [];
          for (const [i, { work, answer }] of running.entries()) {
            const own = await answer.catch((error: unknown) => again(i, work, error));
            if (own === "open") throw new TypeError("an answer that was not asked for");
            const { figures, hasGradients } = own;
            parts.push({ figures, gradients: hasGradients ? readTensors(file, trained, placeOf(i)) : {} });
          }
          return parts;
        },
      };
    },
    stop() {
      stopped = true;
      for (const child of children) child.stop();
      closeExchangeFile(file);
    },
  };
}

/** The process's side: answers every request, until its parent is gone. */
export function answerGradientRequests<Work, Figures>(compute: ComputeGradients<Work, Figures>): void {
  let opened: Promise<Opening & { fixed: Parameters }> | undefined;
  const open = async (opening: Opening): Promise<Opening & { fixed: Parameters }> => {
    const { backend, precision, trained, frozen } = opening;
    await startTensorflow(backend, precision);
    return { ...opening, fixed: readTensors(FIRST_FILE, frozen, sizeOf(trained)) };
  };
  answerRequests<Request<Work>, Answer<Figures>>(async (request) => {
    if ("open" in request) {
      opened = open(request.open);
      await opened;
      return "open";
    }
    if (opened === undefined) throw new Error("work came before its parameters");
    const { config, trained, fixed, place } = await opened;
    const p = readTensors(FIRST_FILE, trained, 0);
    try {
      const { figures, gradients } = compute(p, config, request.work, fixed);
      const hasGradients = Object.keys(gradients).length > 0;
      if (hasGradients) writeTensors(FIRST_FILE, gradients, trained, place);
      tf.dispose(gradients);
      return { figures, hasGradients };
    } finally {
      tf.dispose(p);
    }
  });
}
