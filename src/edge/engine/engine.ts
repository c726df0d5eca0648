// What the routes need from the models: generate, score, and say what is loaded. Models are opened at the first request;
// a policy and a reward model of the same folder are opened once.

import type { Manifest } from "../../shared/manifest.ts";
import type { Dtype } from "../../shared/onnx-names.ts";
import type { ModelStore } from "../model-store.ts";
import { type GenerateOptions, type Generation, generate } from "./generate.ts";
import { type ScoreOptions, type Scoring, score } from "./judge.ts";
import { closeModel, judgeOf, loadModel, type Model } from "./model.ts";
import { scoreProcess } from "./process-reward.ts";
import { createQueue } from "./queue.ts";
import type { Runtime } from "./runtime.ts";

/** What is known of an opened model. */
export interface ModelInfo {
  manifest: Manifest;
  dtype: Dtype;
  vocabSize: number;
}

export interface Engine {
  /** Opens both models if need be. Throws ArtifactError while one is absent or damaged. */
  load(): Promise<{ policy: ModelInfo; reward: ModelInfo }>;
  /** Throws InputError, ArtifactError, or CapacityError when too many requests wait. */
  generate(options: GenerateOptions): Promise<Generation>;
  /** Throws as `generate` does. */
  score(options: ScoreOptions): Promise<Scoring>;
  status(): { running: number; waiting: number; tokensPerSecond: number; memoryBytes: number };
  /** Requests running or waiting. */
  readonly queueLength: number;
  /** Memory that the runtime holds outside the JavaScript heap. */
  readonly memoryBytes: number;
}

export interface EngineOptions {
  store: ModelStore;
  runtime: Runtime;
  /** Folder names in the store. */
  policy: string;
  reward: string;
  dtype: Dtype;
  maxWaiting: number;
}

/** How long a failed or unfinished load is remembered before the next request tries again. */
const RETRY_LOAD_MS = 5_000;
const LOAD_LEASE_MS = 60_000;
const TURN_LEASE_MS = 60_000;

/** Creates an engine; nothing is read before the first call. */
export function createEngine(options: EngineOptions): Engine {
  const { store, runtime, dtype, maxWaiting } = options;
  const queue = createQueue({ maxWaiting, leaseMs: TURN_LEASE_MS });
  const open = async (): Promise<{ policy: Model; reward: Model }> => {
    const policy = await loadModel(store, options.policy, dtype, runtime);
    if (options.reward === options.policy) return { policy, reward: judgeOf(policy) };
    try {
      return { policy, reward: await loadModel(store, options.reward, dtype, runtime) };
    } catch (error) {
      await closeModel(policy);
      throw error;
    }
  };
  let loading: { models: Promise<{ policy: Model; reward: Model }>; retryAt: number } | undefined;
  const models = (): Promise<{ policy: Model; reward: Model }> => {
    if (loading !== undefined && Date.now() < loading.retryAt) return loading.models;
    const attempt = { models: open(), retryAt: Date.now() + LOAD_LEASE_MS };
    attempt.models.then(
      () => {
        attempt.retryAt = Infinity;
      },
      () => {
        attempt.retryAt = Date.now() + RETRY_LOAD_MS;
      },
    );
    loading = attempt;
    return attempt.models;
  };
  return {
    async load() {
      const { policy, reward } = await models();
      return { policy: infoOf(policy), reward: infoOf(reward) };
    },
    generate: (request) => queue.run(async () => generate((await models()).policy, request)),
    score: (request) =>
      queue.run(async () => {
        const { reward } = await models();
        return reward.manifest.reward === undefined ? score(reward, request) : scoreProcess(reward, request);
      }),
    status: () => ({
      running: Math.min(1, queue.length),
      waiting: Math.max(0, queue.length - 1),
      tokensPerSecond: 0,
      memoryBytes: runtime.memoryBytes(),
    }),
    get queueLength() {
      return queue.length;
    },
    get memoryBytes() {
      return runtime.memoryBytes();
    },
  };
}

function infoOf(model: Model): ModelInfo {
  return { manifest: model.manifest, dtype: model.dtype, vocabSize: model.config.vocabSize };
}
