// How the worker opens a graph with onnxruntime-web.

import type { WeightFile } from "../engine/runtime.ts";

/**
 * Options of `InferenceSession.create`. A graph with weight files is of the low-memory form, which the export writes as the runtime's
 * optimizer would leave it: it is opened without, in a fraction of the time.
 */
export function sessionOptions(weights: readonly WeightFile[]) {
  return {
    executionProviders: ["wasm"],
    externalData: [...weights],
    graphOptimizationLevel: weights.length > 0 ? "disabled" : "all",
    // Both hold memory back, of which an isolate has 128 MB for everything; neither made a step measurably faster.
    enableCpuMemArena: false,
    enableMemPattern: false,
  } as const;
}
