// npm run infer -- --remote: the pairs as a batch of the worker's own. The batch is remembered beside the results, so that the same command
// again, from here or after a fault, follows it and fetches what it has.

import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import writeFileAtomic from "write-file-atomic";
import { z } from "zod";
import { InputError, StepwiseError } from "../../shared/errors.ts";
import { type ResultRecord, resultSchema } from "../../shared/records.ts";
import type { UnknownText } from "../../shared/unknown-characters.ts";
import { type InputRecord, type RecordFailure, readPairs } from "../read-pairs.ts";
import { failureOfAnswer, RequestFailure } from "../request-failure.ts";
import type { BatchProgress, BatchSettings, BatchSummary } from "../run-batch.ts";
import { summarizeUnknown, unknownOf, unknownShape } from "../unknown-tally.ts";
import { writeResults } from "../write-results.ts";
import { type BatchClient, createBatchClient, type RemoteBatch } from "./batch-client.ts";

/** Beside the results, while the batch is not fetched. */
export const REMOTE_FILE = "inference_remote.json";

const rememberedSchema = z.object({
  url: z.string(),
  input_sha256: z.string(),
  limit: z.number().nullable(),
  max_new_tokens: z.number(),
  aggregation: z.string().nullable(),
  batch: z.string(),
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

const ENDED = ["completed", "failed", "expired", "cancelled"];

/**
 * Submits the pairs, or takes up the batch that this command has submitted before. Throws InputError for an input or an endpoint that
 * cannot be used, StepwiseError `interrupted` or `endpoint_lost` when stopped early; the batch goes on.
 */
export async function inferRemote(options: RemoteOptions): Promise<RemoteSummary> {
  const { outputDir, wait, signal, onProgress = () => {}, pollMs = 2_000 } = options;
  const url = options.endpoint.replace(/\/+$/, "");
  const client = createBatchClient({ url, apiKey: options.apiKey, signal, retries: options.retries });
  const input = await readPairs(options.input, options.limit);
  const run: Omit<Remembered, "batch"> = {
    url,
    input_sha256: input.sha256,
    limit: options.limit ?? null,
    max_new_tokens: options.maxNewTokens,
    aggregation: options.aggregation ?? null,
  };
  const path = join(outputDir, REMOTE_FILE);
  try {
    let batch = await takeUp(client, path, run);
    if (batch === undefined) {
      batch = await submit(client, input.records, run);
      await mkdir(outputDir, { recursive: true });
      await writeFileAtomic(path, `${JSON.stringify({ ...run, batch: batch.id })}\n`);
    }
    for (;;) {
      const progress = progressOf(batch, input.unusable.length);
      onProgress(progress);
      if (ENDED.includes(batch.status)) break;
      if (!wait) return { isDone: false, batch: batch.id, progress };
      await sleep(pollMs, undefined, { ...(signal !== undefined && { signal }) });
      batch = (await client.retrieve(batch.id)) ?? gone(batch.id, url);
    }
    const summary = await fetchResults(client, batch, input);
    await writeResults(outputDir, summary.results, summary.failures);
    await rm(path, { force: true });
    const { results, failures, unknown } = summary;
    const total = input.records.length + input.unusable.length;
    return { isDone: true, total, succeeded: results.length, resumed: 0, failures, unknown };
  } catch (error) {
    throw explained(error, url, signal);
  }
}

/** The batch that this very command has submitted before. */
async function takeUp(client: BatchClient, path: string, run: Omit<Remembered, "batch">) {
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  let remembered: Remembered;
  try {
    remembered = rememberedSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
  const { batch, ...before } = remembered;
  return JSON.stringify(before) === JSON.stringify(run) ? client.retrieve(batch) : undefined;
}

async function submit(
  client: BatchClient,
  records: readonly InputRecord[],
  run: Omit<Remembered, "batch">,
): Promise<RemoteBatch> {
  const lines = records.map(({ index, pair: { prompt, chosen, rejected } }) =>
    JSON.stringify({ custom_id: idOf(index), prompt, chosen, rejected }),
  );
  const file = await client.upload(`${lines.join("\n")}\n`, "pairs.jsonl");
  return client.create({
    input_file_id: file,
    endpoint: "/infer",
    completion_window: "7d",
    max_new_tokens: run.max_new_tokens,
    aggregation: run.aggregation,
  });
}

function idOf(index: number): string {
  return `record-${index}`;
}

function progressOf({ request_counts: { total, completed, failed } }: RemoteBatch, unusable: number): BatchProgress {
  return { done: completed + failed + unusable, failed: failed + unusable, total: total + unusable };
}

/** Results in the order of the input; whatever has none is a failure. */
async function fetchResults(
  client: BatchClient,
  batch: RemoteBatch,
  { records, unusable }: { records: readonly InputRecord[]; unusable: readonly RecordFailure[] },
): Promise<Pick<BatchSummary, "failures" | "unknown"> & { results: ResultRecord[] }> {
  if (batch.status === "failed") throw refused(batch);
  const results = new Map<string, ResultRecord>();
  const errors = new Map<string, string>();
  const unknown = new Map<string, UnknownText>();
  for (const file of [batch.output_file_id, batch.error_file_id]) {
    for (const { custom_id: id, response, error } of file === null ? [] : await client.lines(file)) {
      if (response === null) errors.set(id, error?.message ?? "no answer");
      else if (response.status_code === 200) {
        results.set(id, resultSchema.parse(response.body));
        const told = unknownOf(unknownShape.parse(response.body));
        if (told !== undefined) unknown.set(id, told);
      } else errors.set(id, failureOfAnswer(response.status_code, null, JSON.stringify(response.body)).message);
    }
  }
  const failures = records
    .filter(({ index }) => !results.has(idOf(index)))
    .map(({ index, line, pair: { prompt } }) => ({
      line,
      prompt,
      error: errors.get(idOf(index)) ?? `the batch was ${batch.status} before this record`,
    }));
  return {
    results: records.flatMap(({ index }) => results.get(idOf(index)) ?? []),
    failures: [...unusable, ...failures].sort((a, b) => a.line - b.line),
    unknown: summarizeUnknown(unknown.values()),
  };
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
