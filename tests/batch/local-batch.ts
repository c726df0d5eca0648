// A worker with batches in real workerd, on the model that ships, which can be killed and started again on the same state.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI, { toFile } from "openai";
import { type LocalWorker, startLocalWorker } from "../../src/infer/local-worker.ts";
import { exportedModels } from "../../src/train/onnx/export/exported-models.ts";

const MODEL = "data/models/stepwise-t5-nano";

export interface BatchWorker {
  readonly url: string;
  readonly openai: OpenAI;
  /** Another key's client. */
  client(apiKey: string): OpenAI;
  readonly log: readonly string[];
  stop(): Promise<void>;
}

/** Starts a worker; its state lies in a folder of its own. */
export async function startBatchWorker(env: Record<string, string> = {}): Promise<BatchWorker> {
  const folder = await mkdtemp(join(tmpdir(), "stepwise-batch-"));
  const log: string[] = [];
  const models = await exportedModels({ policy: MODEL, reward: MODEL }, () => undefined);
  const worker: LocalWorker = await startLocalWorker({
    ...models,
    env: { BATCH_STEP_MS: "500", BATCH_STALE_MS: "2000", ...env },
    batchDir: join(folder, "state"),
    onLog: (line) => log.push(line),
  });
  const client = (apiKey: string) => new OpenAI({ baseURL: `${worker.url}/v1`, apiKey, maxRetries: 0 });
  return {
    url: worker.url,
    openai: client("none"),
    client,
    log,
    async stop() {
      await worker.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A file of requests, as the client sends it. */
export function requestsFile(requests: readonly unknown[], name = "requests.jsonl") {
  return toFile(Buffer.from(requests.map((request) => `${JSON.stringify(request)}\n`).join("")), name);
}

/** Asks until the batch has ended. */
export async function untilEnded(openai: OpenAI, id: string, limitMs = 120_000): Promise<OpenAI.Batch> {
  for (const start = Date.now(); ; ) {
    const batch = await openai.batches.retrieve(id);
    if (["completed", "failed", "expired", "cancelled"].includes(batch.status)) return batch;
    if (Date.now() - start > limitMs) throw new Error(`the batch is still ${batch.status}`);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}
