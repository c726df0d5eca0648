// npm run infer as one function: start the worker with the models (or take a running one), run the batch, stop the worker.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Aggregation } from "../shared/aggregate.ts";
import { ArtifactError, InputError } from "../shared/errors.ts";
import { MANIFEST_FILE } from "../shared/manifest.ts";
import { createClient } from "./client.ts";
import { createProgressBar } from "./progress-bar.ts";
import { type BatchSummary, runBatch } from "./run-batch.ts";

/** Where a trained model is written, and the model that ships. */
export const TRAINED_MODEL = "outputs/final_stepwise_dpo_model";
export const BASE_MODEL = "data/models/stepwise-t5-nano";

/** Starts a worker on this machine that serves two exported model folders. */
export type StartWorker = (options: {
  policyDir: string;
  rewardDir: string;
}) => Promise<{ url: string; stop(): Promise<void> }>;

export interface InferOptions {
  /** Exported model folder; the trained model, else the shipped one, when neither this nor `endpoint` is given. */
  model?: string | undefined;
  /** Exported folder of the model that scores; the shipped base model by default. */
  rewardModel?: string | undefined;
  /** Root URL of a running worker, in place of `model`. */
  endpoint?: string | undefined;
  apiKey?: string | undefined;
  input: string;
  outputDir: string;
  concurrency: number;
  maxNewTokens: number;
  aggregation?: Aggregation | undefined;
  limit?: number | undefined;
  resume: boolean;
}

/** Runs batch inference; see runBatch for what it throws. The worker it started is stopped in every case. */
export async function infer(
  options: InferOptions,
  context: { startWorker: StartWorker; signal?: AbortSignal; say?: (line: string) => void },
): Promise<BatchSummary> {
  const { startWorker, signal, say = () => {} } = context;
  if (options.endpoint !== undefined) {
    if (options.model !== undefined || options.rewardModel !== undefined) {
      throw new InputError({
        code: "model_and_endpoint",
        what: "an endpoint has its own models",
        where: "--endpoint with --model or --reward-model",
        fix: "Give one or the other.",
      });
    }
    return run(options.endpoint, { model: options.endpoint, rewardModel: options.endpoint });
  }
  if (!existsSync(options.input)) {
    // said before a worker is started for nothing
    throw new InputError({
      code: "no_input",
      what: "the input file does not exist",
      where: options.input,
      fix: "Name a JSONL file of pairs with --input, or make one: npm run prepare-data.",
    });
  }
  const policyDir = resolve(options.model ?? (existsSync(TRAINED_MODEL) ? TRAINED_MODEL : BASE_MODEL));
  const rewardDir = resolve(options.rewardModel ?? (existsSync(BASE_MODEL) ? BASE_MODEL : policyDir));
  const identity = { model: await modelIdentity(policyDir), rewardModel: await modelIdentity(rewardDir) };
  say(`starting the worker: model ${policyDir}, reward model ${rewardDir}`);
  const worker = await startWorker({ policyDir, rewardDir });
  try {
    return await run(worker.url, identity);
  } finally {
    await worker.stop();
  }

  async function run(url: string, identity: { model: string; rewardModel: string }): Promise<BatchSummary> {
    const client = createClient({ url, apiKey: options.apiKey, signal });
    const bar = createProgressBar();
    try {
      return await runBatch({
        ...options,
        ...identity,
        client,
        signal,
        onProgress: (progress) => bar.update(progress),
      });
    } finally {
      bar.stop();
    }
  }
}

/** sha256 of the folder's manifest, which names every file by its own: two folders with the same models are the same model. */
async function modelIdentity(folder: string): Promise<string> {
  const file = join(folder, MANIFEST_FILE);
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new ArtifactError({
      code: "not_exported",
      what: existsSync(folder) ? "the model has no ONNX export" : "the model folder does not exist",
      where: file,
      fix: existsSync(folder)
        ? `Export it: npm run export -- --model ${folder}`
        : "Train one (npm run train), or name another with --model.",
      cause,
    });
  });
  return createHash("sha256").update(bytes).digest("hex");
}
