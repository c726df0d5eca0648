// Files and batches as OpenAI's API shows them. https://platform.openai.com/docs/api-reference/batch/object

import type { BatchRecord, FileRecord, Ledger } from "./ledger-api.ts";

/** OpenAI's file object. */
export function fileObject({ id, bytes, createdAt, expiresAt, filename, purpose }: FileRecord) {
  return {
    id,
    object: "file" as const,
    bytes,
    created_at: createdAt,
    ...(expiresAt !== null && { expires_at: expiresAt }),
    filename,
    purpose,
    status: "processed" as const,
  };
}

/** OpenAI's batch object; `is_paused`, `parameters` and `progress` are this worker's own. */
export function batchObject(batch: BatchRecord, progress?: Awaited<ReturnType<Ledger["pace"]>>) {
  const at = (status: keyof BatchRecord["at"]) => batch.at[status] ?? null;
  const hasBegun = batch.at.in_progress !== undefined;
  return {
    id: batch.id,
    object: "batch" as const,
    endpoint: batch.endpoint,
    errors: batch.errors.length === 0 ? null : { object: "list" as const, data: batch.errors },
    input_file_id: batch.inputFile,
    completion_window: batch.completionWindow,
    status: batch.status,
    output_file_id: hasBegun ? batch.outputFile : null,
    error_file_id: hasBegun && batch.failed > 0 ? batch.errorFile : null,
    created_at: batch.createdAt,
    in_progress_at: at("in_progress"),
    expires_at: batch.expiresAt,
    finalizing_at: at("finalizing"),
    completed_at: at("completed"),
    failed_at: at("failed"),
    expired_at: at("expired"),
    cancelling_at: at("cancelling"),
    cancelled_at: at("cancelled"),
    request_counts: { total: batch.total, completed: batch.completed, failed: batch.failed },
    metadata: batch.metadata,
    is_paused: batch.isPaused,
    parameters: {
      concurrency: batch.parameters.concurrency,
      priority: batch.parameters.priority,
      max_total_tokens: batch.parameters.maxTotalTokens,
      max_new_tokens: batch.parameters.maxNewTokens,
      aggregation: batch.parameters.aggregation,
    },
    usage: { total_tokens: batch.tokens },
    ...(progress !== undefined && {
      progress: { records_per_second: progress.recordsPerSecond, seconds_left: progress.secondsLeft },
    }),
  };
}
