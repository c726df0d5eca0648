// npm run infer as one function: start the worker with the models (or take a running one), run the batch, stop the worker.

import { existsSync } from "node:fs";
import { InputError } from "../shared/errors.ts";
import { createClient } from "./client.ts";
import { chooseModels } from "./default-models.ts";
import { createFleet } from "./fleet.ts";
import { createProgressBar } from "./progress-bar.ts";
import { type BatchSettings, type BatchSummary, runBatch } from "./run-batch.ts";

/** Starts a worker on this machine that serves two models, by folder or as they were named. */
export type StartWorker = (options: {
  policyDir: string;
  rewardDir: string;
}) => Promise<{ url: string; stop(): Promise<void> }>;

export interface InferOptions extends BatchSettings {
  /** Exported model folder; the trained model, else the shipped one, when neither this nor `endpoint` is given. */
  model?: string | undefined;
  /** The model that scores; by default the one that the model was trained with, else the shipped one. */
  rewardModel?: string | undefined;
  /** Root URLs of running workers that serve the same models, in place of `model`. */
  endpoint?: string | readonly string[] | undefined;
  apiKey?: string | undefined;
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
    return run([options.endpoint].flat());
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
  const { policy, reward } = chooseModels({ policy: options.model, reward: options.rewardModel });
  say(`starting the worker: model ${policy}, reward model ${reward}`);
  const worker = await startWorker({ policyDir: policy, rewardDir: reward });
  try {
    return await run([worker.url]);
  } finally {
    await worker.stop();
  }

  async function run(urls: readonly string[]): Promise<BatchSummary> {
    const client = createFleet(urls.map((url) => createClient({ url, apiKey: options.apiKey, signal })));
    const bar = createProgressBar();
    try {
      return await runBatch({
        ...options,
        client,
        signal,
        onProgress: (progress) => bar.update(progress),
      });
    } finally {
      bar.stop();
    }
  }
}
