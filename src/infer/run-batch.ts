// Batch inference over HTTP: for each pair the model's own answer and the scores of the two given ones.
// Several records at a time, results in input order; a record that fails is reported, an endpoint that is gone stops the run.

import { join } from "node:path";
import pLimit from "p-limit";
import type { Aggregation } from "../shared/aggregate.ts";
import { CapacityError, InputError, StepwiseError } from "../shared/errors.ts";
import type { ResultRecord } from "../shared/records.ts";
import { joinUnknown, type UnknownText } from "../shared/unknown-characters.ts";
import type { ServedModels, WorkerClient } from "./client.ts";
import { dropPrevious, type Journal, openJournal } from "./journal.ts";
import { type InputRecord, type RecordFailure, readPairs } from "./read-pairs.ts";
import { RequestFailure } from "./request-failure.ts";
import { summarizeUnknown, type UnknownSummary } from "./unknown-tally.ts";
import { PARTIAL_FILE, writeResults } from "./write-results.ts";

/** What a batch does, whichever worker does it. */
export interface BatchSettings {
  /** JSONL of pairs. */
  input: string;
  outputDir: string;
  /** Requests at a time. */
  concurrency: number;
  maxNewTokens: number;
  /** undefined: the worker's default. */
  aggregation?: Aggregation | undefined;
  /** Only the first records of the input. */
  limit?: number | undefined;
  /** Go on with a stopped run. */
  resume?: boolean | undefined;
}

export interface BatchOptions extends BatchSettings {
  client: WorkerClient;
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
  /** What the models' vocabularies lack of the records. */
  unknown: UnknownSummary;
}

/** What a running batch has so far. */
interface BatchState {
  total: number;
  results: Map<number, ResultRecord>;
  /** By the index of a record that has some. */
  unknown: Map<number, UnknownText>;
  failures: RecordFailure[];
  /** Why no further record is begun. */
  stopped: unknown;
}

/**
 * Runs the batch and writes its files into `outputDir`. Throws InputError for an unusable input or a different run to resume,
 * StepwiseError `interrupted` or `endpoint_lost` when stopped early (finished records are kept for --resume), CapacityError
 * when the results cannot be written.
 */
export async function runBatch(options: BatchOptions): Promise<BatchSummary> {
  const { client, outputDir, signal } = options;
  const { records, unusable, sha256 } = await readPairs(options.input, options.limit);
  const partial = join(outputDir, PARTIAL_FILE);
  const served = await reach(client, signal);
  const run = {
    format: 1 as const,
    input_sha256: sha256,
    model: served.model,
    reward_model: served.rewardModel,
    max_new_tokens: options.maxNewTokens,
    aggregation: options.aggregation ?? "default",
  };
  const journal = await openJournal(partial, run, options.resume ?? false).catch(explainWriting(outputDir));
  const state: BatchState = {
    total: records.length + unusable.length,
    results: new Map(),
    unknown: new Map(),
    failures: [...unusable],
    stopped: undefined,
  };
  for (const { index, hash } of records) {
    const entry = journal.finished.get(index);
    if (entry?.hash !== hash) continue;
    state.results.set(index, entry.result);
    if (entry.unknown !== undefined) state.unknown.set(index, entry.unknown);
  }
  const resumed = state.results.size;
  try {
    await runRecords(records, journal, state, options);
  } finally {
    await journal.close();
  }
  if (signal?.aborted) state.stopped = earlyEnd(state, "interrupted", "batch inference was interrupted", partial);
  if (state.stopped !== undefined) throw state.stopped;

  const { total, results, failures } = state;
  const ordered = [...results.entries()].sort(([a], [b]) => a - b).map(([, result]) => result);
  failures.sort((a, b) => a.line - b.line);
  await writeResults(outputDir, ordered, failures).catch(explainWriting(outputDir));
  if (failures.length === 0) await dropPrevious(partial);
  return { total, succeeded: results.size, resumed, failures, unknown: summarizeUnknown(state.unknown.values()) };
}

/** Runs every record that has no result yet; ends early, with `state.stopped` set, when going on has no sense. */
async function runRecords(
  records: readonly InputRecord[],
  journal: Journal,
  state: BatchState,
  options: BatchOptions,
): Promise<void> {
  const { client, signal, onProgress = () => {} } = options;
  const { results, failures, total } = state;
  const report = () => onProgress({ done: results.size + failures.length, failed: failures.length, total });
  const runRecord = async (record: InputRecord): Promise<void> => {
    if (state.stopped !== undefined || signal?.aborted) return;
    try {
      const { result, unknown } = await inferRecord(client, record, options);
      const { index, hash } = record;
      if (unknown !== undefined) state.unknown.set(index, unknown);
      await journal.append({ index, hash, result, unknown }).catch(explainWriting(options.outputDir));
      results.set(index, result);
    } catch (error) {
      if (state.stopped !== undefined || signal?.aborted) return;
      if (!(error instanceof RequestFailure)) state.stopped = error;
      else if (error.status === undefined && !(await isThere(client)))
        state.stopped ??= earlyEnd(state, "endpoint_lost", "the endpoint is gone", client.url);
      else failures.push({ line: record.line, prompt: record.pair.prompt, error: error.message });
    }
    report();
  };
  report();
  // a place in the worker's line for each, so that none is turned away
  const places = (await client.concurrencyLimit()) ?? options.concurrency;
  const limit = pLimit(Math.max(1, Math.min(options.concurrency, places)));
  await Promise.all(records.filter(({ index }) => !results.has(index)).map((record) => limit(runRecord, record)));
}

function earlyEnd({ results, total }: BatchState, code: string, what: string, where: string): StepwiseError {
  const kept = `${results.size} of ${total} records are finished and kept`;
  return new StepwiseError({ code, what: `${what}; ${kept}`, where, fix: "Go on with the same command and --resume." });
}

/** A handler for what the file system says when results cannot be written: a full disk, a file in the way. */
function explainWriting(where: string): (cause: unknown) => never {
  return (cause) => {
    if (!(cause instanceof Error) || cause instanceof StepwiseError || !("syscall" in cause)) throw cause;
    throw new CapacityError({
      code: "cannot_write",
      what: `the results cannot be written: ${cause.message}`,
      where,
      fix: "Make room, or choose another --output-dir; finished records are kept: go on with --resume.",
      cause,
    });
  };
}

async function inferRecord(
  client: WorkerClient,
  { pair }: InputRecord,
  options: BatchOptions,
): Promise<{ result: ResultRecord; unknown: UnknownText | undefined }> {
  const written = await client.generate(pair.prompt, options.maxNewTokens);
  const { scores, ...told } = await client.score(pair, options.aggregation);
  return {
    result: { prompt: pair.prompt, model_output: written.text, ...scores },
    unknown: joinUnknown([written.unknown, told.unknown]),
  };
}

async function reach(client: WorkerClient, signal: AbortSignal | undefined): Promise<ServedModels> {
  try {
    await client.health();
    return await client.models();
  } catch (cause) {
    if (signal?.aborted) {
      const fix = "Run the command again.";
      throw new StepwiseError({ code: "interrupted", what: "interrupted before the first record", fix, cause });
    }
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
