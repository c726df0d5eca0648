// POST /v1/batches: what may be asked, and what it becomes. https://platform.openai.com/docs/api-reference/batch/create

import { z } from "zod";
import { AGGREGATIONS } from "../../shared/aggregate.ts";
import { ENDPOINTS, PAIRS_ENDPOINT } from "./input-line.ts";
import type { BatchRecord, FileRecord, LineError } from "./ledger-api.ts";
import { newId, resultFileId } from "./names.ts";
import { PRIORITIES } from "./yielding-engine.ts";

const SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400 };
const MAX_WINDOW_S = 30 * SECONDS.d;
const MAX_SHARDS_AT_ONCE = 50;

const windowText = z
  .string()
  .regex(/^[1-9]\d{0,3}[smhd]$/, "must be a time such as 24h, 30m or 7d")
  .refine((text) => windowSeconds(text) <= MAX_WINDOW_S, "must be at most 30d");

export const createBatchSchema = z.strictObject({
  input_file_id: z.string().min(1).max(100),
  endpoint: z.enum([...ENDPOINTS, PAIRS_ENDPOINT]),
  completion_window: windowText,
  metadata: z
    .record(z.string().max(64), z.string().max(512))
    .refine((entries) => Object.keys(entries).length <= 16, "has more than 16 entries")
    .nullish(),
  concurrency: z.int().positive().max(MAX_SHARDS_AT_ONCE).nullish().describe("Shards worked on at a time."),
  priority: z.enum(PRIORITIES).nullish().describe("Which batches go first."),
  max_total_tokens: z.int().positive().nullish().describe("No request is begun after so many tokens."),
  max_new_tokens: z.int().positive().nullish().describe("Of pairs: as for POST /generate."),
  aggregation: z.enum(AGGREGATIONS).nullish().describe("Of pairs: as for POST /score."),
});

export type CreateBatchBody = z.output<typeof createBatchSchema>;

/** `24h` -> 86400. */
export function windowSeconds(text: string): number {
  const [, number, unit] = /^(\d+)(\w)$/.exec(text) ?? [];
  const length = unit === "d" ? SECONDS.d : unit === "h" ? SECONDS.h : unit === "m" ? SECONDS.m : SECONDS.s;
  return Number(number) * length;
}

/** A new batch; one whose input has faults has failed already. */
export function newBatch(body: CreateBatchBody, file: FileRecord, owner: string): BatchRecord {
  const id = newId("batch");
  const now = Math.floor(Date.now() / 1000);
  const errors = inputErrors(body, file);
  return {
    id,
    owner,
    inputFile: file.id,
    inputKey: file.key,
    inputBytes: file.bytes,
    endpoint: body.endpoint,
    completionWindow: body.completion_window,
    status: errors.length > 0 ? "failed" : "validating",
    isPaused: false,
    isExpired: false,
    at: errors.length > 0 ? { failed: now } : {},
    createdAt: now,
    expiresAt: now + windowSeconds(body.completion_window),
    metadata: body.metadata ?? null,
    parameters: {
      concurrency: body.concurrency ?? 4,
      priority: body.priority ?? "normal",
      maxTotalTokens: body.max_total_tokens ?? null,
      maxNewTokens: body.max_new_tokens ?? null,
      aggregation: body.aggregation ?? null,
    },
    errors,
    fault: null,
    total: file.input?.records ?? 0,
    completed: 0,
    failed: 0,
    tokens: 0,
    outputFile: resultFileId(id, "output"),
    errorFile: resultFileId(id, "error"),
  };
}

function inputErrors({ endpoint }: CreateBatchBody, { input }: FileRecord): LineError[] {
  const others = Object.entries(input?.urls ?? {}).filter(([url]) => url !== endpoint);
  const mixed = others.map(([url, line]): LineError => {
    const message = `This line asks ${url}, the batch ${endpoint}: a batch has one endpoint.`;
    return { code: "mismatched_endpoint", message, line, param: "url" };
  });
  return [...(input?.errors ?? []), ...mixed].sort((a, b) => a.line - b.line);
}
