// The worker's Files and Batch API for `npm run infer -- --remote`: every call is made again until it has an answer, so that a connection
// that is lost costs nothing.

import pRetry from "p-retry";
import { z } from "zod";
import { RequestFailure } from "../request-failure.ts";

const fileSchema = z.object({ id: z.string() });
const batchSchema = z.object({
  id: z.string(),
  status: z.enum([
    "validating",
    "failed",
    "in_progress",
    "finalizing",
    "completed",
    "expired",
    "cancelling",
    "cancelled",
  ]),
  errors: z.object({ data: z.array(z.object({ message: z.string(), line: z.number() })) }).nullable(),
  output_file_id: z.string().nullable(),
  error_file_id: z.string().nullable(),
  request_counts: z.object({ total: z.number(), completed: z.number(), failed: z.number() }),
});
export type RemoteBatch = z.infer<typeof batchSchema>;

const lineSchema = z.object({
  custom_id: z.string(),
  response: z.object({ status_code: z.number(), body: z.unknown() }).nullable(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
});
/** A line of a result file. */
export type RemoteLine = z.infer<typeof lineSchema>;

const failureSchema = z.object({ error: z.object({ message: z.string() }) });

export interface BatchClientOptions {
  url: string;
  apiKey?: string | undefined;
  signal?: AbortSignal | undefined;
  /** Tries of a call before the endpoint counts as lost; default 12, some ten minutes. */
  retries?: number | undefined;
}

export interface BatchClient {
  upload(jsonl: string, name: string): Promise<string>;
  create(body: Readonly<Record<string, unknown>>): Promise<RemoteBatch>;
  /** undefined: there is no such batch. */
  retrieve(id: string): Promise<RemoteBatch | undefined>;
  lines(file: string): Promise<RemoteLine[]>;
  remove(file: string): Promise<void>;
}

/** A client; its functions reject with RequestFailure, or with the signal's reason once that is aborted. */
export function createBatchClient({ url, apiKey, signal, retries = 12 }: BatchClientOptions): BatchClient {
  const headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  const ask = (path: string, init: RequestInit = {}): Promise<string> =>
    pRetry(
      async () => {
        const response = await fetch(`${url}${path}`, {
          ...init,
          headers: { ...headers, ...(typeof init.body === "string" && { "content-type": "application/json" }) },
          // a redirect would send the key to another host
          redirect: "manual",
          ...(signal !== undefined && { signal }),
        }).catch((cause: unknown) => {
          signal?.throwIfAborted();
          throw new RequestFailure("no connection", { retryable: true, cause });
        });
        const text = await response.text().catch((cause: unknown) => {
          signal?.throwIfAborted();
          throw new RequestFailure("the answer broke off", { retryable: true, cause });
        });
        if (response.ok) return text;
        throw new RequestFailure(`HTTP ${response.status}: ${said(text)}`, {
          status: response.status,
          retryable: response.status === 429 || (response.status >= 500 && response.status !== 501),
        });
      },
      {
        retries,
        minTimeout: 500,
        maxTimeout: 60_000,
        ...(signal !== undefined && { signal }),
        shouldRetry: (error) => error instanceof RequestFailure && error.retryable,
      },
    );
  const json = (body: unknown): RequestInit => ({ method: "POST", body: JSON.stringify(body) });
  return {
    async upload(jsonl, name) {
      const form = new FormData();
      form.set("purpose", "batch");
      form.set("file", new Blob([jsonl]), name);
      return fileSchema.parse(JSON.parse(await ask("/v1/files", { method: "POST", body: form }))).id;
    },
    create: async (body) => batchSchema.parse(JSON.parse(await ask("/v1/batches", json(body)))),
    async retrieve(id) {
      try {
        return batchSchema.parse(JSON.parse(await ask(`/v1/batches/${id}`)));
      } catch (error) {
        if (error instanceof RequestFailure && error.status === 404) return undefined;
        throw error;
      }
    },
    async lines(file) {
      const text = await ask(`/v1/files/${file}/content`);
      return text
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => lineSchema.parse(JSON.parse(line)));
    },
    async remove(file) {
      await ask(`/v1/files/${file}`, { method: "DELETE" });
    },
  };
}

function said(text: string): string {
  try {
    return failureSchema.parse(JSON.parse(text)).error.message;
  } catch {
    return text.trim().slice(0, 200);
  }
}
