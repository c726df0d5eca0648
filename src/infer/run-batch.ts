// Batch inference over HTTP: for each pair the model's own answer and the scores of the two given ones.
// Several records at a time, results in input order; a record that fails is reported, an endpoint that is gone stops the run.

import { join } from "node:path";
import pLimit from "p-limit";
import type { Aggregation } from "../shared/aggregate.ts";
import { InputError, StepwiseError } from "../shared/errors.ts";
import type { ResultRecord } from "../shared/records.ts";
import type { ServedModels, WorkerClient } from "./client.ts";
import { dropPrevious, openJournal } from "./journal.ts";
import { type InputRecord, type RecordFailure, readPairs } from "./read-pairs.ts";
import { RequestFailure } from "./request-failure.ts";
import { PARTIAL_FILE, writeResults } from "./write-results.ts";

export interface BatchOptions {
  client: WorkerClient;
  /** JSONL of pairs. */
  input: string;
  outputDir: string;
  /** Requests at a time. */
  concurrency: number;
  maxNewTokens: number;
  /** undefined: the worker's default. */
  aggregation?: Aggregation | undefined;
  limit?: number | undefined;
  resume?: boolean;
  signal?: AbortSignal | undefined;
  onProgress?: (progress: BatchProgress) => void;
}

export interface BatchProgress {
  done: number;
  failed: number;
  total: number;
}

export interface BatchSummary {
  /** Records of the input, unusable lines included. */
  total: number;
  succeeded: number;
  /** Of those that succeeded, how many an earlier run had finished. */
  resumed: number;
  failures: RecordFailure[];
}

/**
 * Runs the batch and writes its files into `outputDir`. Throws InputError for an unusable input or a different run to resume,
 * StepwiseError `interrupted` or `endpoint_lost` when stopped early (finished records are kept for --resume).
 */
export async function runBatch(options: BatchOptions): Promise<BatchSummary> {
  const { client, outputDir, concurrency, signal, onProgress = () => {} } = options;
  const { records, unusable, sha256 } = await readPairs(options.input, options.limit);
  const served = await reach(client);
  const partial = join(outputDir, PARTIAL_FILE);
  const run = {
    format: 1 as const,
    input_sha256: sha256,
    model: served.model,
    reward_model: served.rewardModel,
    max_new_tokens: options.maxNewTokens,
    aggregation: options.aggregation ?? "default",
  };
  const journal = await openJournal(partial, run, options.resume ?? false);
  const results = new Map<number, ResultRecord>();
  const failures = [...unusable];
  const total = records.length + unusable.length;
  for (const { index, hash } of records) {
    const entry = journal.finished.get(index);
    if (entry?.hash === hash) results.set(index, entry.result);
  }
  const resumed = results.size;
  const report = () => onProgress({ done: results.size + failures.length, failed: failures.length, total });
  report();

  let stopped: unknown;
  const stop = (code: string, what: string, where?: string) => {
    const kept = `${results.size} of ${total} records are finished and kept`;
    stopped ??= new StepwiseError({
      code,
      what: `${what}; ${kept}`,
      where,
      fix: "Go on with the same command and --resume.",
    });
  };
  const limit = pLimit(concurrency);
  const runRecord = async (record: InputRecord): Promise<void> => {
    if (stopped !== undefined || signal?.aborted) return;
    try {
      const result = await inferRecord(client, record, options);
      await journal.append({ index: record.index, hash: record.hash, result });
      results.set(record.index, result);
    } catch (error) {
      if (signal?.aborted || stopped !== undefined) return;
      if (!(error instanceof RequestFailure)) {
        stopped = error;
        return;
      }
      if (error.status === undefined && !(await isThere(client)))
        return stop("endpoint_lost", "the endpoint is gone", client.url);
      failures.push({ line: record.line, prompt: record.pair.prompt, error: error.message });
    }
    report();
  };
  try {
    const open = records.filter(({ index }) => !results.has(index));
    await Promise.all(open.map((record) => limit(runRecord, record)));
  } finally {
    await journal.close();
  }
  if (signal?.aborted) stop("interrupted", "batch inference was interrupted", partial);
  if (stopped !== undefined) throw stopped;

  const ordered = [...results.entries()].sort(([a], [b]) => a - b).map(([, result]) => result);
  failures.sort((a, b) => a.line - b.line);
  await writeResults(outputDir, ordered, failures);
  if (failures.length === 0) await dropPrevious(partial);
  return { total, succeeded: results.size, resumed, failures };
}

async function inferRecord(client: WorkerClient, { pair }: InputRecord, options: BatchOptions): Promise<ResultRecord> {
  const modelOutput = await client.generate(pair.prompt, options.maxNewTokens);
  const scores = await client.score(pair, options.aggregation);
  return { prompt: pair.prompt, model_output: modelOutput, ...scores };
}

async function reach(client: WorkerClient): Promise<ServedModels> {
  try {
    await client.health();
    return await client.models();
  } catch (cause) {
    if (!(cause instanceof RequestFailure)) throw cause;
    throw new InputError({
      code: "endpoint_unreachable",
      what: `the endpoint does not answer: ${cause.message}`,
      where: client.url,
      fix: "Start the worker (npm run dev) or correct --endpoint.",
      cause,
    });
  }
}

async function isThere(client: WorkerClient): Promise<boolean> {
  return client.health().then(
    () => true,
    () => false,
  );
}
