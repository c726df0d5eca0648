// The parts of Cloudflare's bindings that batches use: R2 for data, a Durable Object for state, Workflows for durable execution. A worker
// without them serves everything else.
// https://developers.cloudflare.com/r2/api/workers/ and https://developers.cloudflare.com/workflows/build/workers-api/

import type { Ledger } from "./ledger-api.ts";

/** An object without its bytes. */
export interface StoredHead {
  size: number;
  customMetadata?: Record<string, string>;
}

export interface StoredObject extends StoredHead {
  body: ReadableStream<Uint8Array>;
  arrayBuffer(): Promise<ArrayBuffer>;
  text(): Promise<string>;
}

export interface UploadedPart {
  partNumber: number;
  etag: string;
}

/** An object that is written in parts: of the same size, 5 MiB or more, the last may be smaller. */
export interface MultipartUpload {
  uploadId: string;
  uploadPart(partNumber: number, bytes: Uint8Array): Promise<UploadedPart>;
  complete(parts: UploadedPart[]): Promise<StoredHead>;
  abort(): Promise<void>;
}

/** An R2 bucket. */
export interface FileBucket {
  head(key: string): Promise<StoredHead | null>;
  get(key: string, options?: { range: { offset: number; length: number } }): Promise<StoredObject | null>;
  /** Resolves to null when `onlyIf` does not hold. */
  put(
    key: string,
    bytes: Uint8Array | string,
    options?: { customMetadata?: Record<string, string>; onlyIf?: { etagDoesNotMatch: string } },
  ): Promise<StoredHead | null>;
  delete(keys: string | string[]): Promise<void>;
  createMultipartUpload(key: string): Promise<MultipartUpload>;
  resumeMultipartUpload(key: string, uploadId: string): MultipartUpload;
}

export interface WorkflowInstance {
  id: string;
  status(): Promise<{ status: string; error?: { message: string } | null }>;
  sendEvent(event: { type: string; payload: unknown }): Promise<void>;
}

export interface WorkflowBinding<P> {
  /** Creates what is not there yet; an instance of that id is left alone. */
  createBatch(instances: { id: string; params: P }[]): Promise<WorkflowInstance[]>;
  get(id: string): Promise<WorkflowInstance>;
}

export interface LedgerNamespace {
  idFromName(name: string): object;
  get(id: object): Ledger;
}

/** What the workflow of a whole batch is told. */
export interface JobParams {
  owner: string;
  batch: string;
}

/** What the workflow of a shard is told: records `[first, last)` in bytes `[from, to)` of the input. */
export interface ShardParams extends JobParams {
  shard: number;
  first: number;
  last: number;
  from: number;
  to: number;
}

export interface StepConfig {
  retries: { limit: number; delay: string | number; backoff: "constant" | "linear" | "exponential" };
  timeout: string;
}

/** What a workflow's steps are made with; a step that has a result is never run again. */
export interface WorkflowStep {
  do<T>(name: string, config: StepConfig, work: () => Promise<T>): Promise<T>;
  waitForEvent(name: string, options: { type: string; timeout: string }): Promise<{ payload: unknown }>;
}

/** All of them, or there are no batches. */
export interface BatchBindings {
  BATCH_FILES: FileBucket;
  BATCH_LEDGER: LedgerNamespace;
  BATCH_JOBS: WorkflowBinding<JobParams>;
  BATCH_SHARDS: WorkflowBinding<ShardParams>;
}

/** The bindings where all are there. */
export function batchBindings(env: Partial<BatchBindings>): BatchBindings | undefined {
  const { BATCH_FILES, BATCH_LEDGER, BATCH_JOBS, BATCH_SHARDS } = env;
  if (BATCH_FILES === undefined || BATCH_LEDGER === undefined) return undefined;
  if (BATCH_JOBS === undefined || BATCH_SHARDS === undefined) return undefined;
  return { BATCH_FILES, BATCH_LEDGER, BATCH_JOBS, BATCH_SHARDS };
}

/** The state of one owner's files and batches. */
export function ledgerOf({ BATCH_LEDGER }: Pick<BatchBindings, "BATCH_LEDGER">, owner: string): Ledger {
  return BATCH_LEDGER.get(BATCH_LEDGER.idFromName(owner));
}

/** The event that wakes a workflow which waits. */
export const TICK = "tick";
