// What the routes need from the models: generate, score, and say what is loaded. Models are opened at the first request;
// a policy and a reward model of the same folder are opened once.

import type { Manifest } from "../../shared/manifest.ts";
import type { Dtype } from "../../shared/onnx-names.ts";
import type { T5Config } from "../../shared/t5-config.ts";
import type { ModelStore } from "../model-store.ts";
import { beamJob } from "./beams.ts";
import { type ForcedOptions, type ForcedTokens, forcedJob } from "./forced.ts";
import { type GenerateOptions, type Generation, generateJob } from "./generate.ts";
import { judgeJob, type ScoreOptions, type Scoring } from "./judge.ts";
import { heldBytes, memoryBudget } from "./memory-budget.ts";
import { closeModel, judgeOf, loadModel, type Model } from "./model.ts";
import { createOpenedOnce } from "./opened-once.ts";
import { processJob } from "./process-reward.ts";
import { createRowsTogether, type RowsTogether, sharesSteps } from "./rows-together.ts";
import type { Runtime } from "./runtime.ts";
import { createScheduler, type Job, type Scheduler } from "./scheduler.ts";
import { createSpeedometer } from "./speedometer.ts";
import { MAX_RUN_MS, ranTooLong } from "./work.ts";

/** What is known of an opened model. */
export interface ModelInfo {
  manifest: Manifest;
  dtype: Dtype;
  vocabSize: number;
}

export interface EngineStatus {
  /** Requests that the models work on. */
  running: number;
  /** Requests that wait for their turn. */
  waiting: number;
  /** Tokens written in the last seconds, a second. */
  tokensPerSecond: number;
  /** Memory that the runtime holds outside the JavaScript heap. */
  memoryBytes: number;
}

export interface Engine {
  /** Opens both models if need be. Throws ArtifactError while one is absent or damaged. */
  load(): Promise<{ policy: ModelInfo; reward: ModelInfo }>;
  /** Throws InputError, ArtifactError, or CapacityError when too many requests wait. */
  generate(options: GenerateOptions): Promise<Generation>;
  /** Throws as `generate` does. */
  score(options: ScoreOptions): Promise<Scoring>;
  /** Log-probabilities of a completion that is already written, by the policy. Throws as `generate` does. */
  forced(options: ForcedOptions): Promise<ForcedTokens>;
  /** What the engine does now. Reads nothing, waits for nothing. */
  status(): EngineStatus;
  /** Requests running or waiting. */
  readonly queueLength: number;
  /** Memory that the runtime holds outside the JavaScript heap. */
  readonly memoryBytes: number;
}

/** What the engine tells of its work: seconds, rows of a step, bytes. */
export type EngineMeasure = "stepwise_queue_wait_seconds" | "stepwise_batch_rows" | "stepwise_memory_bytes";

export interface EngineOptions {
  store: ModelStore;
  runtime: Runtime;
  /** Folder names in the store. */
  policy: string;
  reward: string;
  dtype: Dtype;
  maxWaiting: number;
  /** Told of waits, times and sizes as they occur. */
  observe?: ((measure: EngineMeasure, value: number) => void) | undefined;
}

/** How long a failed or unfinished load is remembered before the next request tries again. */
const RETRY_LOAD_MS = 5_000;
const LOAD_LEASE_MS = 60_000;
/** Requests that the models work on at a time; more would only make each slower. */
const MAX_RUNNING = 16;
/** How long a request waits for its turn at most. */
const MAX_WAIT_MS = 30_000;

type Rest<T extends readonly unknown[]> = T extends readonly [unknown, ...infer More] ? More : never;

interface Models {
  policy: Model;
  reward: Model;
  /** Where the texts of all requests are written. */
  together: RowsTogether | undefined;
  budgetBytes: number;
}

/** Creates an engine; nothing is read before the first call. */
export function createEngine(options: EngineOptions): Engine {
  const { store, runtime, dtype, maxWaiting, observe = () => undefined } = options;
  let together: RowsTogether | undefined;
  let budgetBytes = 0;
  let config: T5Config | undefined;
  const speed = createSpeedometer();
  const scheduler = createScheduler({
    maxRunning: MAX_RUNNING,
    maxWaiting,
    maxWaitMs: MAX_WAIT_MS,
    maxRunMs: MAX_RUN_MS,
    budgetBytes: () => budgetBytes,
    heldBytes: (jobs) => (config === undefined ? 0 : heldBytes(config, jobs)),
    async shared() {
      const rows = together?.size ?? 0;
      if (rows === 0) return;
      await together?.step();
      speed.count(rows);
      observe("stepwise_batch_rows", rows);
    },
    onStart: (waitedMs) => observe("stepwise_queue_wait_seconds", waitedMs / 1000),
    tooLong: ranTooLong,
  });
  const openBoth = async (): Promise<{ policy: Model; reward: Model }> => {
    const policy = await loadModel(store, options.policy, dtype, runtime);
    if (options.reward === options.policy) return { policy, reward: judgeOf(policy) };
    try {
      return { policy, reward: await loadModel(store, options.reward, dtype, runtime) };
    } catch (error) {
      await closeModel(policy);
      throw error;
    }
  };
  const open = async (): Promise<Models> => {
    const { policy, reward } = await openBoth();
    config = policy.config;
    together = sharesSteps(policy) ? createRowsTogether(policy) : undefined;
    budgetBytes = memoryBudget(new Set([policy, reward]), runtime.memoryBytes());
    return { policy, reward, together, budgetBytes };
  };
  const run = async <J extends Job>(job: J, ...about: Rest<Parameters<Scheduler["run"]>>): Promise<J> => {
    await scheduler.run(job, ...about);
    const bytes = runtime.memoryBytes();
    if (bytes > 0) observe("stepwise_memory_bytes", bytes); // not every runtime knows
    return job;
  };
  const models = createOpenedOnce(open, { retryMs: RETRY_LOAD_MS, leaseMs: LOAD_LEASE_MS });
  return {
    async load() {
      const { policy, reward } = await models.get();
      return { policy: infoOf(policy), reward: infoOf(reward) };
    },
    async generate(request) {
      request.signal?.throwIfAborted();
      const { policy, ...room } = await models.get();
      const makeJob = request.beams === undefined ? generateJob : beamJob;
      const job = makeJob(policy, request, room);
      return (await run(job, request.signal, request.onQueue)).result();
    },
    async score(request) {
      request.signal?.throwIfAborted();
      const { reward } = await models.get();
      const job = reward.manifest.reward === undefined ? judgeJob(reward, request) : processJob(reward, request);
      return (await run(job, request.signal)).result();
    },
    async forced(request) {
      request.signal?.throwIfAborted();
      const job = forcedJob((await models.get()).policy, request);
      return (await run(job, request.signal)).result();
    },
    status: () => ({
      running: scheduler.running,
      waiting: scheduler.waiting,
      tokensPerSecond: speed.perSecond(),
      memoryBytes: runtime.memoryBytes(),
    }),
    get queueLength() {
      return scheduler.running + scheduler.waiting;
    },
    get memoryBytes() {
      return runtime.memoryBytes();
    },
  };
}

function infoOf(model: Model): ModelInfo {
  return { manifest: model.manifest, dtype: model.dtype, vocabSize: model.config.vocabSize };
}
