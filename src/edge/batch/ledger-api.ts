// What the ledger keeps, one of an owner (an API key): files, batches, shards, and which records are done. Another owner's files are in
// another ledger, so that they cannot be told from files that do not exist.

import type { Aggregation } from "../../shared/aggregate.ts";
import type { BatchStatus } from "../../shared/batch-states.ts";
import type { Priority } from "./yielding-engine.ts";

/** What is wrong with a line of an input file. */
export interface LineError {
  code: string;
  message: string;
  line: number;
  param: string | null;
}

/** Where a record starts: the byte, its number, and the tokens estimated before it. */
export type Cut = readonly [byte: number, record: number, tokens: number];

export interface FileRecord {
  id: string;
  purpose: string;
  filename: string;
  bytes: number;
  /** Seconds. */
  createdAt: number;
  expiresAt: number | null;
  /** Of the object in the bucket. */
  key: string;
  /** Of an input file: what its lines hold. */
  input?: InputSummary;
}

export interface InputSummary {
  records: number;
  /** The endpoints asked for, each with the first line that asks for it. */
  urls: Record<string, number>;
  errors: LineError[];
  /** All of them; only the first are kept. */
  errorCount: number;
  cuts: Cut[];
  /** Hashes of ids that may occur twice. */
  suspects: string[];
}

/** How a batch is run; beyond OpenAI's fields. */
export interface BatchParameters {
  /** Shards worked on at a time. */
  concurrency: number;
  /** Which batches go first where they meet in one isolate. */
  priority: Priority;
  /** Tokens read and written after which no further record is begun. */
  maxTotalTokens: number | null;
  /** Of pairs: as for POST /generate and POST /score. */
  maxNewTokens: number | null;
  aggregation: Aggregation | null;
}

export interface BatchRecord {
  id: string;
  /** Whose ledger this is. */
  owner: string;
  inputFile: string;
  inputKey: string;
  inputBytes: number;
  endpoint: string;
  completionWindow: string;
  status: BatchStatus;
  isPaused: boolean;
  /** Its time ran out before its last request. */
  isExpired: boolean;
  /** Seconds, by the status that was reached then. */
  at: Partial<Record<BatchStatus, number>>;
  createdAt: number;
  expiresAt: number;
  metadata: Record<string, string> | null;
  parameters: BatchParameters;
  errors: LineError[];
  /** Why the batch cannot go on: its shards stop, what was done is put together, and it has failed. */
  fault: LineError | null;
  total: number;
  completed: number;
  failed: number;
  tokens: number;
  outputFile: string;
  errorFile: string;
}

export type Control = "run" | "pause" | "cancel" | "expire" | "capped" | "given_up";

export interface Shard {
  shard: number;
  first: number;
  last: number;
  from: number;
  to: number;
}

/** How often a workflow has died, and why its records are given up, where they are. */
export interface Life {
  life: number;
  givenUp: string | null;
}

/** What a step of a shard may do. */
export interface Begun {
  control: Control;
  /** How often these records were begun. */
  tries: number;
  batch: BatchRecord;
  /** Why the shard is given up. */
  reason: string | null;
}

/** Records `[first, last)`, done; their lines are one object, output before errors. */
export interface Chunk {
  first: number;
  last: number;
  /** The byte of the input after the last of them. */
  byte: number;
  outputBytes: number;
  errorBytes: number;
  completed: number;
  failed: number;
  tokens: number;
  /** How long they took. */
  ms: number;
}

/** The ledger's functions, as its stub has them. */
export interface Ledger {
  openUpload(upload: { id: string; key: string; uploadId: string }): Promise<void>;
  closeUpload(id: string): Promise<void>;
  addFile(file: FileRecord): Promise<void>;
  file(id: string): Promise<FileRecord | undefined>;
  files(page: Page & { purpose?: string | undefined }): Promise<{ items: FileRecord[]; more: boolean }>;
  /** The file that was removed, or why it was not. */
  removeFile(id: string): Promise<FileRecord | "absent" | "in_use">;
  addBatch(batch: BatchRecord): Promise<void>;
  batch(id: string): Promise<BatchRecord | undefined>;
  batches(page: Page): Promise<{ items: BatchRecord[]; more: boolean }>;
  cancel(id: string): Promise<BatchRecord | undefined>;
  setPaused(id: string, isPaused: boolean): Promise<BatchRecord | undefined>;
  /** Ends the batch at once. */
  fail(id: string, errors: LineError[]): Promise<void>;
  /** Stops the batch; what was done is put together, then it has failed. */
  breakOff(id: string, fault: LineError): Promise<void>;
  plan(id: string, shards: Shard[]): Promise<void>;
  /** Shards to be started now; all of them have started or ended when `left` is 0. */
  takeShards(id: string): Promise<{ start: (Shard & { life: number })[]; left: number }>;
  begin(id: string, shard: number, first: number): Promise<Begun>;
  /** A step that failed and said so: these records were not what ended it. */
  takeBack(id: string, first: number): Promise<void>;
  /** The shard's other records get an error instead of an answer. */
  giveUp(id: string, shard: number, reason: string): Promise<void>;
  done(id: string, shard: number, chunk: Chunk): Promise<void>;
  shardEnded(id: string, shard: number): Promise<void>;
  /** Finished records in order, from a record on. */
  chunks(id: string, first: number, limit: number): Promise<Chunk[]>;
  /** All shards have ended. */
  finalize(id: string): Promise<void>;
  finish(id: string, files: FileRecord[]): Promise<void>;
  pace(id: string): Promise<{ recordsPerSecond: number; secondsLeft: number | null }>;
}

export interface Page {
  after: string | undefined;
  limit: number;
  order: "asc" | "desc";
}
