// A worker with batches in real workerd, on the model that ships, which can be killed and started again on the same state.

import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import getPort from "get-port";
import OpenAI, { toFile } from "openai";
import { z } from "zod";
import { type LocalWorker, startLocalWorker } from "../../src/infer/local-worker.ts";
import { exportedModels } from "../../src/train/onnx/export/exported-models.ts";

const MODEL = "data/models/stepwise-t5-nano";

export interface BatchWorker {
  readonly url: string;
  readonly openai: OpenAI;
  /** Another key's client. */
  client(apiKey: string): OpenAI;
  /** Kills the worker and starts it again on what is on disk. */
  killAndStart(): Promise<void>;
  /** Bytes of all objects and parts in the bucket. */
  storedBytes(): Promise<number>;
  readonly log: readonly string[];
  stop(): Promise<void>;
}

/** Starts a worker; its state lies in a folder of its own. */
export async function startBatchWorker(env: Record<string, string> = {}, main?: string): Promise<BatchWorker> {
  const folder = await mkdtemp(join(tmpdir(), "stepwise-batch-"));
  const log: string[] = [];
  const models = await exportedModels({ policy: MODEL, reward: MODEL }, () => undefined);
  // the same after a restart: clients come back to it
  const port = await getPort();
  const start = (): Promise<LocalWorker> =>
    startLocalWorker({
      ...models,
      env: { BATCH_STEP_MS: "500", BATCH_STALE_MS: "2000", ...env },
      port,
      main,
      batchDir: join(folder, "state"),
      onLog: (line) => log.push(line),
    });
  let worker = await start();
  const client = (apiKey: string) => new OpenAI({ baseURL: `${worker.url}/v1`, apiKey, maxRetries: 0 });
  return {
    get url() {
      return worker.url;
    },
    get openai() {
      return client("none");
    },
    client,
    log,
    async storedBytes() {
      const blobs = join(folder, "state/v3/r2");
      const entries = await readdir(blobs, { recursive: true, withFileTypes: true }).catch(() => []);
      const files = entries.filter((entry) => entry.isFile() && entry.parentPath.endsWith("blobs"));
      const sizes = await Promise.all(
        files.map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).size),
      );
      return sizes.reduce((sum, size) => sum + size, 0);
    },
    async killAndStart() {
      await worker.kill();
      worker = await start();
    },
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

/** Uploads requests and makes a batch of them. */
export async function submit(
  openai: OpenAI,
  requests: readonly { url: string }[],
  more: object = {},
): Promise<OpenAI.Batch> {
  const file = await openai.files.create({ file: await requestsFile(requests), purpose: "batch" });
  const endpoint = urlSchema.parse(requests[0]?.url);
  return openai.batches.create({ input_file_id: file.id, endpoint, completion_window: "24h", ...more });
}

const urlSchema = z.enum(["/v1/completions", "/v1/chat/completions"]);

/** Asks until the batch has ended. */
export async function untilEnded(openai: OpenAI, id: string, limitMs = 120_000): Promise<OpenAI.Batch> {
  const isEnd = ({ status }: OpenAI.Batch) => ["completed", "failed", "expired", "cancelled"].includes(status);
  return untilBatch(openai, id, isEnd, limitMs);
}

/** Asks until the batch is as it should be. */
export async function untilBatch(
  openai: OpenAI,
  id: string,
  isSo: (batch: OpenAI.Batch) => boolean,
  limitMs = 120_000,
): Promise<OpenAI.Batch> {
  for (const start = Date.now(); ; ) {
    const batch = await openai.batches.retrieve(id);
    if (isSo(batch)) return batch;
    if (Date.now() - start > limitMs) {
      throw new Error(`the batch is still ${batch.status}: ${JSON.stringify(batch.request_counts)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

const lineSchema = z.object({
  custom_id: z.string(),
  response: z.object({ status_code: z.number(), body: z.record(z.string(), z.unknown()) }).nullable(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
});
export type ResultLine = z.infer<typeof lineSchema>;

/** The lines of a result file. */
export async function linesOf(openai: OpenAI, file: string | null | undefined): Promise<ResultLine[]> {
  const text = await (await openai.files.content(file ?? "none")).text();
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => lineSchema.parse(JSON.parse(line)));
}

/** A greedy request of the i-th problem. */
export function completion(index: number, more: object = {}) {
  const [many, few] = [10 + (index % 37), 2 + (index % 7)];
  const prompt = `Mia has ${many} apples. Then she gets ${few} apples from Tom. How many apples does Mia have now?`;
  return {
    custom_id: `request-${index}`,
    method: "POST",
    url: "/v1/completions",
    body: { prompt, temperature: 0, max_tokens: 48, ...more },
  };
}
