// npm run infer -- --remote: the pairs as a batch of the worker's own. The batch is remembered beside the results, so that the same command
// again, from here or after a fault, follows it and fetches what it has.

import { randomUUID } from "node:crypto";
import { openAsBlob } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import writeFileAtomic from "write-file-atomic";
import { z } from "zod";
import { InputError, StepwiseError } from "../../shared/errors.ts";
import { type ResultRecord, resultSchema } from "../../shared/records.ts";
import type { UnknownText } from "../../shared/unknown-characters.ts";
import { parseEndpoint } from "../client.ts";
import { countPairs, type InputRecord, type RecordFailure, recordsOf } from "../read-pairs.ts";
import { failureOfAnswer, RequestFailure } from "../request-failure.ts";
import type { BatchProgress, BatchSettings, BatchSummary } from "../run-batch.ts";
import { summarizeUnknown, unknownOf, unknownShape } from "../unknown-tally.ts";
import { writeResults } from "../write-results.ts";
import { type BatchClient, createBatchClient, type RemoteBatch, readLines } from "./batch-client.ts";

/** Beside the results, while the batch is not fetched. */
export const REMOTE_FILE = "inference_remote.json";

const rememberedSchema = z.object({
  url: z.string(),
  input_sha256: z.string(),
  limit: z.number().nullable(),
  max_new_tokens: z.number(),
  aggregation: z.string().nullable(),
  /** Names the batch before its id is known. */
  submission: z.string(),
  batch: z.string().nullable(),
});
type Remembered = z.infer<typeof rememberedSchema>;

export interface RemoteOptions extends BatchSettings {
  endpoint: string;
  apiKey?: string | undefined;
  /** Follow the batch to its end. */
  wait: boolean;
  signal?: AbortSignal | undefined;
  onProgress?: (progress: BatchProgress) => void;
  /** How often the batch is asked about; default 2,000. */
  pollMs?: number | undefined;
  /** Tries of a call before the endpoint counts as lost. */
  retries?: number | undefined;
}

/** A batch that still runs, or the results that were written. */
export type RemoteSummary =
  | { isDone: false; batch: string; progress: BatchProgress }
  | ({ isDone: true } & BatchSummary);

/** What the id of a record begins with, before its index. */
const ID = "record-";
/** The upload is written in pieces of so many characters. */
const PIECE = 2 ** 16;

const ENDED = ["completed", "failed", "expired", "cancelled"];

/**
 * Submits the pairs, or takes up the batch that this command has submitted before. Throws InputError for an input or an endpoint that
 * cannot be used, StepwiseError `interrupted` or `endpoint_lost` when stopped early; the batch goes on.
 */
export async function inferRemote(options: RemoteOptions): Promise<RemoteSummary> {
  const { outputDir, wait, signal, onProgress = () => {}, pollMs = 2_000 } = options;
  const url = parseEndpoint(options.endpoint);
  const client = createBatchClient({ url, apiKey: options.apiKey, signal, retries: options.retries });
  const input = await countPairs(options.input, options.limit);
  const records = (): AsyncIterable<InputRecord> => recordsOf(options.input, options.limit ?? Infinity, input.sha256);
  const run: Run = {
    url,
    input_sha256: input.sha256,
    limit: options.limit ?? null,
    max_new_tokens: options.maxNewTokens,
    aggregation: options.aggregation ?? null,
  };
  const path = join(outputDir, REMOTE_FILE);
  try {
    let batch = (await takeUp(client, path, run)) ?? (await submit({ client, path, run }, records()));
    for (;;) {
      const progress = progressOf(batch, input.unusable.length);
      onProgress(progress);
      if (ENDED.includes(batch.status)) break;
      if (!wait) return { isDone: false, batch: batch.id, progress };
      await sleep(pollMs, undefined, { ...(signal !== undefined && { signal }) });
      batch = (await client.retrieve(batch.id)) ?? gone(batch.id, url);
    }
    const summary = await fetchResults(client, batch, { ...input, records, outputDir });
    await rm(path, { force: true });
    // nobody asks for these again
    for (const file of [batch.input_file_id, batch.output_file_id, batch.error_file_id]) {
      if (file !== null) await client.remove(file).catch(() => undefined);
    }
    return { isDone: true, total: input.count + input.unusable.length, resumed: 0, ...summary };
  } catch (error) {
    throw explained(error, url, signal);
  }
}

type Run = Omit<Remembered, "batch" | "submission">;

/** The batch that this very command has submitted before. */
async function takeUp(client: BatchClient, path: string, run: Run): Promise<RemoteBatch | undefined> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  let remembered: Remembered;
  try {
    remembered = rememberedSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
  const { batch, submission, ...before } = remembered;
  if (JSON.stringify(before) !== JSON.stringify(run)) return undefined;
  // stopped between asking for the batch and hearing of it
  return batch === null ? client.find(submission) : client.retrieve(batch);
}

async function submit(
  { client, path, run }: { client: BatchClient; path: string; run: Run },
  records: AsyncIterable<InputRecord>,
): Promise<RemoteBatch> {
  const submission = randomUUID();
  await mkdir(dirname(path), { recursive: true });
  const remember = (batch: string | null) =>
    writeFileAtomic(path, `${JSON.stringify({ ...run, submission, batch } satisfies Remembered)}\n`);
  const upload = `${path}.upload`;
  try {
    await writeFile(upload, inputLines(records));
    const file = await client.upload(await openAsBlob(upload), "pairs.jsonl");
    await remember(null);
    const body = {
      input_file_id: file,
      endpoint: "/infer",
      completion_window: "7d",
      max_new_tokens: run.max_new_tokens,
      aggregation: run.aggregation,
    };
    const batch = await client.create(body, submission);
    await remember(batch.id);
    return batch;
  } finally {
    await rm(upload, { force: true });
  }
}

/** Lines of the upload, many at a time. */
async function* inputLines(records: AsyncIterable<InputRecord>): AsyncGenerator<string> {
  let lines = "";
  for await (const { index, pair } of records) {
    const { prompt, chosen, rejected } = pair;
    lines += `${JSON.stringify({ custom_id: `${ID}${index}`, prompt, chosen, rejected })}\n`;
    if (lines.length < PIECE) continue;
    yield lines;
    lines = "";
  }
  yield lines;
}

/** The record that a line of the results is about. */
function indexOf(id: string): number {
  return id.startsWith(ID) ? Number(id.slice(ID.length)) : Number.NaN;
}

function progressOf({ request_counts: { total, completed, failed } }: RemoteBatch, unusable: number): BatchProgress {
  return { done: completed + failed + unusable, failed: failed + unusable, total: total + unusable };
}

interface Fetched {
  /** Reads the usable records again. */
  records: () => AsyncIterable<InputRecord>;
  count: number;
  unusable: readonly RecordFailure[];
  outputDir: string;
}

/** Downloads the results and writes them, in the order of the input; whatever has none is a failure. */
async function fetchResults(
  client: BatchClient,
  batch: RemoteBatch,
  { records, count: usable, unusable, outputDir }: Fetched,
): Promise<Pick<BatchSummary, "failures" | "unknown" | "succeeded">> {
  if (batch.status === "failed" && batch.output_file_id === null) throw refused(batch);
  const paths: string[] = [];
  try {
    for (const file of [batch.output_file_id, batch.error_file_id]) {
      if (file === null) continue;
      const path = join(outputDir, `${REMOTE_FILE}.${paths.length}`);
      paths.push(path);
      await client.download(file, path);
    }
    const { succeeded, errors, unknown } = await readThrough(paths, usable + unusable.length);
    const why = batch.errors?.data[0]?.message ?? `the batch was ${batch.status} before this record`;
    const failures: RecordFailure[] = [];
    if (succeeded.count < usable) {
      for await (const { index, line, pair } of records()) {
        if (succeeded.at(index) !== 1) failures.push({ line, prompt: pair.prompt, error: errors.get(index) ?? why });
      }
    }
    const all = [...unusable, ...failures].sort((a, b) => a.line - b.line);
    const count = await writeResults(outputDir, resultsIn(paths), all);
    return { succeeded: count, failures: all, unknown: summarizeUnknown(unknown.values()) };
  } finally {
    for (const path of paths) await rm(path, { force: true });
  }
}

/** What the lines tell beside the results themselves. */
async function readThrough(paths: readonly string[], records: number) {
  // a byte a record: there may be millions
  const isDone = new Uint8Array(records);
  const errors = new Map<number, string>();
  const unknown = new Map<number, UnknownText>();
  for (const path of paths) {
    for await (const { custom_id, response, error } of readLines(path)) {
      const index = indexOf(custom_id);
      if (response === null) errors.set(index, error?.message ?? "no answer");
      else if (response.status_code === 200) {
        isDone[index] = 1;
        const told = unknownOf(unknownShape.parse(response.body));
        if (told !== undefined) unknown.set(index, told);
      } else errors.set(index, failureOfAnswer(response.status_code, null, JSON.stringify(response.body)).message);
    }
  }
  const count = isDone.reduce((sum, done) => sum + done, 0);
  return { succeeded: { count, at: (index: number) => isDone[index] }, errors, unknown };
}

/** The results, which stand in the order of the input. */
async function* resultsIn(paths: readonly string[]): AsyncGenerator<ResultRecord> {
  for (const path of paths) {
    for await (const { response } of readLines(path)) {
      if (response?.status_code === 200) yield resultSchema.parse(response.body);
    }
  }
}

function refused({ errors }: RemoteBatch): InputError {
  const [first] = errors?.data ?? [];
  return new InputError({
    code: "batch_refused",
    what: `the worker refused the batch: ${first === undefined ? "no reason was told" : first.message}`,
    where: first === undefined ? "batch" : `line ${first.line} of the upload`,
  });
}

function gone(id: string, url: string): never {
  throw new StepwiseError({ code: "batch_lost", what: `the batch ${id} is no longer there`, where: url });
}

function explained(error: unknown, url: string, signal: AbortSignal | undefined): unknown {
  const fix = "Go on with the same command.";
  if (signal?.aborted) {
    return new StepwiseError({ code: "interrupted", what: "interrupted; the batch goes on", where: url, fix });
  }
  if (!(error instanceof RequestFailure)) return error;
  if (error.status === undefined || error.retryable) {
    const what = `the endpoint is gone (${error.message}); a batch that was submitted goes on`;
    return new StepwiseError({ code: "endpoint_lost", what, where: url, fix, cause: error });
  }
  return new InputError({
    code: "endpoint_refuses",
    what: `the endpoint takes no batches: ${error.message}`,
    where: url,
    fix: "Start it with batches (npm run dev -- --batch), or leave --remote out.",
    cause: error,
  });
}
