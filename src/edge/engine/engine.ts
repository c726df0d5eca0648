// What the routes need from the models: generate, score, and say what is loaded. Models are opened at the first request;
// a policy and a reward model of the same folder are opened once.

import type { Manifest } from "../../shared/manifest.ts";
import type { Dtype } from "../../shared/onnx-names.ts";
import { beamJob } from "./beams.ts";
import { type ForcedOptions, type ForcedTokens, forcedJob } from "./forced.ts";
import { type GenerateOptions, type Generation, generateJob } from "./generate.ts";
import { judgeJob, type ScoreOptions, type Scoring } from "./judge.ts";
import { heldBytes } from "./memory-budget.ts";
import type { Model } from "./model.ts";
import { processJob } from "./process-reward.ts";
import { createScheduler, type Job } from "./scheduler.ts";
import { createServedModels, type ModelChoice, type ModelPair } from "./served-models.ts";
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
  /**
   * Looks whether there is a new version of the models, where it is time to, and puts it in the place of the one before. The promise, which
   * never rejects, is to be kept alive; it is nobody's to wait for.
   */
  renew(): Promise<void> | undefined;
  /** What the engine does now. Reads nothing, waits for nothing. */
  status(): EngineStatus;
  /** Requests running or waiting. */
  readonly queueLength: number;
  /** Memory that the runtime holds outside the JavaScript heap. */
  readonly memoryBytes: number;
}

/** What the engine tells of its work: seconds, rows of a step, bytes. */
export type EngineMeasure = "stepwise_queue_wait_seconds" | "stepwise_batch_rows" | "stepwise_memory_bytes";

export interface EngineOptions extends ModelChoice {
  maxWaiting: number;
  /** How often the models' manifests are looked at, at most; by default never. */
  renewMs?: number | undefined;
  /** Told why a new version could not be opened; the one before serves on. */
  report?: ((error: unknown) => void) | undefined;
  /** Told of waits, times and sizes as they occur. */
  observe?: ((measure: EngineMeasure, value: number) => void) | undefined;
}

/** Requests that the models work on at a time; more would only make each slower. */
const MAX_RUNNING = 16;
/** How long a request waits for its turn at most. */
const MAX_WAIT_MS = 30_000;

/** Creates an engine; nothing is read before the first call. */
export function createEngine(options: EngineOptions): Engine {
  const { runtime, maxWaiting, observe = () => undefined } = options;
  const speed = createSpeedometer();
  const pairs = new WeakMap<Job, ModelPair>();
  const isOf = (pair: ModelPair) => (job: Job) => pairs.get(job) === pair;
  const scheduler = createScheduler({
    maxRunning: MAX_RUNNING,
    maxWaiting,
    maxWaitMs: MAX_WAIT_MS,
    maxRunMs: MAX_RUN_MS,
    budgetBytes() {
      const older = models.inUse.slice(0, -1);
      return (models.inUse.at(-1)?.budgetBytes ?? 0) - older.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
    },
    heldBytes: (jobs) =>
      models.inUse
        .map((pair) => heldBytes(pair.policy.config, jobs.filter(isOf(pair))))
        .reduce((sum, bytes) => sum + bytes, 0),
    async shared() {
      for (const { together } of models.inUse) {
        const rows = together?.size ?? 0;
        if (rows === 0) continue;
        await together?.step();
        speed.count(rows);
        observe("stepwise_batch_rows", rows);
      }
    },
    onStart: (waitedMs) => observe("stepwise_queue_wait_seconds", waitedMs / 1000),
    tooLong: ranTooLong,
  });
  const models = createServedModels({
    ...options,
    renewMs: options.renewMs ?? 0,
    isUsed: (pair) => scheduler.holds(isOf(pair)),
    report: options.report ?? (() => undefined),
  });
  /** Does what a job of the models that are open has to do. */
  const run = async <J extends Job>(
    request: { signal?: AbortSignal | undefined; onQueue?: ((position: number) => void) | undefined },
    makeJob: (pair: ModelPair) => J,
  ): Promise<J> => {
    request.signal?.throwIfAborted();
    const pair = await models.get();
    const job = makeJob(pair);
    pairs.set(job, pair);
    await scheduler.run(job, request.signal, request.onQueue);
    const bytes = runtime.memoryBytes();
    if (bytes > 0) observe("stepwise_memory_bytes", bytes); // not every runtime knows
    return job;
  };
  return {
    async load() {
      const { policy, reward } = await models.get();
      return { policy: infoOf(policy), reward: infoOf(reward) };
    },
    async generate(request) {
      const makeJob = request.beams === undefined ? generateJob : beamJob;
      return (await run(request, ({ policy, ...room }) => makeJob(policy, request, room))).result();
    },
    async score(request) {
      const makeJob = ({ reward }: ModelPair) =>
        reward.manifest.reward === undefined ? judgeJob(reward, request) : processJob(reward, request);
      return (await run(request, makeJob)).result();
    },
    async forced(request) {
      return (await run(request, ({ policy }) => forcedJob(policy, request))).result();
    },
    renew: () => models.renew(),
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
