// A reward model in several processes of one core each. Operations run one after the other, and only large ones gain by more than one
// core; processes, each with its own copy of the weights, use all of them all the time.

import { availableParallelism } from "node:os";
import { CapacityError } from "../../../shared/errors.ts";
import { startChild } from "../../io/child-process.ts";
import type { Precision } from "../../tensorflow/backends.ts";
import { onnxThreads, THREADS_VARIABLE } from "../../tensorflow/graphs/onnx-session.ts";
import { type Backend, currentBackend, currentPrecision } from "../../tensorflow/tensorflow.ts";
import type { Completion, ScoredCompletion } from "../judge/llm-reward-model.ts";
import { openOnnxJudge } from "../judge/onnx-judge.ts";
import { openOnnxProcessRewardModel } from "../process/onnx-process.ts";
import { ProcessRewardModel } from "../process/process-reward-model.ts";
import {
  loadRewardModel,
  type RewardModel,
  type RewardModelOptions,
  readRewardModelFile,
  refuseContext,
} from "../reward-model.ts";

export type ScoringRequest =
  | { open: { dir: string; options: RewardModelOptions; backend: Backend; precision: Precision } }
  | { completions: readonly Completion[] };

/** The scores of completions; none of a reward model that was opened. */
export type ScoringAnswer = ScoredCompletion[];

/** A reward model that may answer later, and so many requests at a time. */
export interface Scorer {
  processes: number;
  /** A process reward model, which reads a solution in one pass; else a judge, which is asked about every step. */
  isProcess: boolean;
  score(completions: readonly Completion[]): Promise<ScoredCompletion[]>;
  dispose(): void;
}

/** Most processes that are started unasked: each holds the weights. */
const MOST_PROCESSES = 4;
/** Completions for which starting a process (some seconds) pays. */
const WORTH_A_PROCESS = 100;

/** How many processes score so many completions: one a core, or only this one on WebAssembly, whose threads are not to be bounded. */
export function scoringProcesses(completions: number): number {
  if (currentBackend() === "wasm") return 1;
  return Math.max(1, Math.min(MOST_PROCESSES, availableParallelism(), Math.floor(completions / WORTH_A_PROCESS)));
}

/**
 * Loads a reward model here (one process) or in `processes` others; the caller disposes it. TensorFlow must be running. Where that is
 * not native, the scores are computed by graphs of their own in onnxruntime.
 */
export async function loadScorer(dir: string, processes: number, options: RewardModelOptions = {}): Promise<Scorer> {
  if (processes > 1) return startScoringProcesses(dir, processes, options);
  if (currentBackend() === "tensorflow") return scorerOf(await loadRewardModel(dir, options));
  if ((await readRewardModelFile(dir)) === undefined)
    return { processes: 1, isProcess: false, ...(await openOnnxJudge(dir, onnxThreads(), options)) };
  refuseContext(dir, options);
  try {
    return { processes: 1, isProcess: true, ...(await openOnnxProcessRewardModel(dir, onnxThreads(), options)) };
  } catch (error) {
    if (!(error instanceof CapacityError && error.code === "model_too_large")) throw error;
    return scorerOf(await loadRewardModel(dir, options)); // above 2 GiB, which one graph cannot hold
  }
}

/** A reward model of this process as a scorer. */
export function scorerOf(model: RewardModel): Scorer {
  return {
    processes: 1,
    isProcess: model instanceof ProcessRewardModel,
    score: async (completions) => model.score(completions),
    dispose: () => model.dispose(),
  };
}

async function startScoringProcesses(dir: string, processes: number, options: RewardModelOptions): Promise<Scorer> {
  const threads = Math.max(1, Math.floor(availableParallelism() / processes));
  const isProcess = (await readRewardModelFile(dir)) !== undefined;
  const children = Array.from({ length: processes }, () =>
    startChild<ScoringRequest, ScoringAnswer>(new URL("./scoring-process.ts", import.meta.url), {
      name: "scoring process",
      code: "scorer_ended",
      fix: "Free some memory: each process holds the reward model.",
      env: {
        TF_NUM_INTRAOP_THREADS: String(threads),
        TF_NUM_INTEROP_THREADS: "1",
        [THREADS_VARIABLE]: String(threads),
      },
    }),
  );
  const dispose = (): void => {
    for (const child of children) child.stop();
  };
  const idle = [...children];
  try {
    await Promise.all(
      children.map((child) =>
        child.ask({ open: { dir, options, backend: currentBackend(), precision: currentPrecision() } }),
      ),
    );
  } catch (error) {
    dispose();
    throw error;
  }
  return {
    processes,
    isProcess,
    async score(completions) {
      const child = idle.pop();
      if (child === undefined) throw new Error(`more than ${processes} requests at a time`);
      const scored = await child.ask({ completions });
      idle.push(child);
      return scored;
    },
    dispose,
  };
}
