// A worker with batches whose state outlives it, the requests it is given, and what came of them.

import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import getPort from "get-port";
import { startLocalWorker } from "../../infer/local-worker.ts";
import {
  type BatchClient,
  createBatchClient,
  type RemoteBatch,
  type RemoteLine,
  readLines,
} from "../../infer/remote/batch-client.ts";
import { requestOf } from "../load/client.ts";

export interface Stage {
  readonly url: string;
  readonly client: BatchClient;
  /** Where the state lies. */
  readonly stateDir: string;
  killAndStart(): Promise<void>;
  close(): Promise<void>;
}

export interface StageOptions {
  modelDir: string;
  /** The policy by default. */
  rewardDir?: string;
  env?: Record<string, string>;
  /** The worker's script, where it is another. */
  main?: string;
  /** workerd's inspector listens. */
  inspect?: boolean;
  /** Holds the state; a new folder by default. */
  folder?: string;
}

/** Starts it; after a kill it listens where it did. */
export async function openStage({
  modelDir,
  rewardDir = modelDir,
  env = {},
  folder: given,
  main,
  inspect,
}: StageOptions): Promise<Stage> {
  const folder = given ?? (await mkdtemp(join(tmpdir(), "stepwise-batch-bench-")));
  const stateDir = join(folder, "state");
  const port = await getPort();
  const start = () =>
    startLocalWorker({
      policyDir: modelDir,
      rewardDir,
      port,
      batchDir: stateDir,
      main,
      inspect,
      env: { BATCH_STALE_MS: "3000", ...env },
    });
  let worker = await start();
  return {
    get url() {
      return worker.url;
    },
    get client() {
      return createBatchClient({ url: worker.url });
    },
    stateDir,
    async killAndStart() {
      await worker.kill();
      worker = await start();
    },
    async close() {
      await worker.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Lines of an input file: word problems for POST /generate. */
export function inputLines(records: number, maxNewTokens: number): string {
  const lines = Array.from({ length: records }, (_, index) =>
    JSON.stringify({
      custom_id: `request-${index}`,
      method: "POST",
      url: "/generate",
      body: requestOf(index, { maxNewTokens }).body,
    }),
  );
  return `${lines.join("\n")}\n`;
}

/** Makes a batch of them. */
export async function submitBatch(client: BatchClient, lines: string): Promise<RemoteBatch> {
  return createBatch(client, await client.upload(new Blob([lines]), "input.jsonl"));
}

/** Makes a batch of a file. */
export async function createBatch(client: BatchClient, file: string): Promise<RemoteBatch> {
  return client.create({ input_file_id: file, endpoint: "/generate", completion_window: "24h" }, randomUUID());
}

/** Asks until the batch is so. */
export async function untilBatch(
  client: () => BatchClient,
  id: string,
  isSo: (batch: RemoteBatch) => boolean,
): Promise<RemoteBatch> {
  for (;;) {
    const batch = await client().retrieve(id);
    if (batch === undefined) throw new Error(`the batch ${id} is gone`);
    if (isSo(batch)) return batch;
    await sleep(200);
  }
}

export function hasEnded({ status }: RemoteBatch): boolean {
  return ["completed", "failed", "expired", "cancelled"].includes(status);
}

/** All lines of a result file. */
export async function linesOf(client: BatchClient, file: string): Promise<RemoteLine[]> {
  const folder = await mkdtemp(join(tmpdir(), "stepwise-batch-lines-"));
  try {
    const path = join(folder, "lines.jsonl");
    await client.download(file, path);
    const lines: RemoteLine[] = [];
    for await (const line of readLines(path)) lines.push(line);
    return lines;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The texts of a batch's output by its ids, in the order of the file. */
export async function textsOf(
  client: BatchClient,
  { output_file_id: file }: RemoteBatch,
): Promise<[string, unknown][]> {
  const lines = file === null ? [] : await linesOf(client, file);
  return lines.map(({ custom_id: id, response }) => {
    const body = response?.body;
    return [
      id,
      typeof body === "object" && body !== null && "generated_text" in body ? body.generated_text : undefined,
    ];
  });
}
