// What a batch of OpenAI's Batch API may be doing: said by the worker, read by its client.

export const BATCH_STATES = [
  "validating",
  "failed",
  "in_progress",
  "finalizing",
  "completed",
  "expired",
  "cancelling",
  "cancelled",
] as const;
export type BatchStatus = (typeof BATCH_STATES)[number];
