// The model on the GPU. What a GPU computes is held against the processor once, on a question and an answer: a driver that gives other
// numbers gives them without an error.

import * as library from "onnxruntime-web/jspi";
import glue from "onnxruntime-web/ort-wasm-simd-threaded.jspi.mjs?url";
import type { Engine } from "../../../edge/engine/engine.ts";
import type { Runtime, Session } from "../../../edge/engine/runtime.ts";
import { CapacityError } from "../../../shared/errors.ts";
import { splitSteps } from "../../../shared/steps.ts";
import { createBrowserRuntime, prepareLibrary } from "../browser-runtime.ts";
import { agree } from "./agree.ts";
import { hasGpu } from "./has-gpu.ts";
import { forWebGpu } from "./webgpu-graph.ts";

/** Long enough that source and answer fill more than one block of any kernel. */
const QUESTION =
  "Ruth has 24 trays with 3 eggs each. She gives away 6 old eggs and 4 new eggs. Later she sells half of her eggs. How many eggs does Ruth have in the end?";
const ANSWER =
  "Ruth has 24 * 3 = 72 eggs.\nThat is 6 + 4 = 10 eggs.\nRuth has 72 - 10 = 62 eggs.\nRuth has 62 / 2 = 31 eggs.\nA: 31";

/** How often it is told that the opening goes on, and how long that may take: programs for a GPU are made when they are first used. */
const BEAT_MS = 5_000;
const LIMIT_MS = 180_000;

export interface GpuOptions {
  /** Where the page's own files lie. */
  files: URL;
  engineOn: (runtime: Runtime) => Engine;
  /** Told again and again while the model opens. */
  onBeat: () => void;
}

/**
 * An engine on the GPU, opened. Throws CapacityError where there is none, or where it computes something else than the processor or takes
 * three minutes, and ArtifactError for a model whose graphs WebGPU cannot run.
 */
export async function openOnGpu(options: GpuOptions): Promise<Engine> {
  const beat = setInterval(options.onBeat, BEAT_MS);
  let limit: ReturnType<typeof setTimeout> | undefined;
  const tooSlow = new Promise<never>((_, reject) => {
    const what = `the GPU was not ready after ${LIMIT_MS / 1000} s`;
    limit = setTimeout(() => reject(new CapacityError({ code: "gpu_too_slow", what })), LIMIT_MS);
  });
  try {
    return await Promise.race([openAndCheck(options), tooSlow]);
  } finally {
    clearInterval(beat);
    clearTimeout(limit);
  }
}

async function openAndCheck({ files, engineOn }: Pick<GpuOptions, "files" | "engineOn">): Promise<Engine> {
  if (!(await hasGpu())) throw new CapacityError({ code: "no_gpu", what: "this browser gives the page no GPU" });
  await prepareLibrary(library, { glue, wasm: new URL("ort-jspi.gz", files).href, threads: 1 });
  const onGpu = createBrowserRuntime(library, "webgpu");
  const engine = engineOn({
    ...onGpu,
    createSession: (bytes, where, weights) => onGpu.createSession(forWebGpu(bytes, where), where, weights),
  });
  const { runtime, release } = withRelease(createBrowserRuntime(library, "wasm"));
  try {
    const expected = await probe(engineOn(runtime));
    const actual = await probe(engine);
    if (agree(actual, expected)) return engine;
  } finally {
    await release();
  }
  throw new CapacityError({ code: "gpu_differs", what: "the GPU computes other numbers than the processor" });
}

/** Log-probabilities and step scores. */
async function probe(engine: Engine): Promise<number[]> {
  const { logps } = await engine.forced({ prompt: QUESTION, completion: ANSWER, field: "completion" });
  const completions = [{ field: "completion", steps: splitSteps(ANSWER) }];
  const scored = await engine.score({ prompt: QUESTION, completions, aggregation: "mean", context: "prefix" });
  return [...logps, ...scored.completions.flatMap(({ steps }) => steps.map(({ score }) => score))];
}

/** A runtime whose sessions can all be given back. */
function withRelease(runtime: Runtime): { runtime: Runtime; release: () => Promise<void> } {
  const sessions: Session[] = [];
  return {
    runtime: {
      ...runtime,
      async createSession(bytes, where, weights) {
        const session = await runtime.createSession(bytes, where, weights);
        sessions.push(session);
        return session;
      },
    },
    release: async () => {
      for (const session of sessions) await session.release();
    },
  };
}
