// The worker's Files and Batch API for `npm run infer -- --remote`: every call is made again until it has an answer, so that a connection
// that is lost costs nothing.

import { createReadStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import pRetry from "p-retry";
import { z } from "zod";
import { BATCH_STATES } from "../../shared/batch-states.ts";
import { RequestFailure } from "../request-failure.ts";

const fileSchema = z.object({ id: z.string() });
const batchSchema = z.object({
  id: z.string(),
  status: z.enum(BATCH_STATES),
  errors: z.object({ data: z.array(z.object({ message: z.string(), line: z.number() })) }).nullable(),
  input_file_id: z.string(),
  output_file_id: z.string().nullable(),
  error_file_id: z.string().nullable(),
  metadata: z.record(z.string(), z.string()).nullish(),
  request_counts: z.object({ total: z.number(), completed: z.number(), failed: z.number() }),
});
export type RemoteBatch = z.infer<typeof batchSchema>;

const listSchema = z.object({ data: z.array(batchSchema) });

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
  upload(jsonl: Blob, name: string): Promise<string>;
  /** `submission` is this batch's own: where the answer was lost, the batch of that name is found again, and no second one made. */
  create(body: Readonly<Record<string, unknown>>, submission: string): Promise<RemoteBatch>;
  /** The batch of that submission, among the last hundred. */
  find(submission: string): Promise<RemoteBatch | undefined>;
  /** undefined: there is no such batch. */
  retrieve(id: string): Promise<RemoteBatch | undefined>;
  /** Writes a file's bytes to this path; memory does not grow with them. */
  download(file: string, path: string): Promise<void>;
  remove(file: string): Promise<void>;
}

/** A client; its functions reject with RequestFailure, or with the signal's reason once that is aborted. */
export function createBatchClient({ url, apiKey, signal, retries = 12 }: BatchClientOptions): BatchClient {
  const headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  const brokeOff = (cause: unknown): never => {
    signal?.throwIfAborted();
    throw new RequestFailure("the answer broke off", { retryable: true, cause });
  };
  /** One request whose status is good. */
  const fetchOnce = async (path: string, init: RequestInit): Promise<Response> => {
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
    if (response.ok) return response;
    throw new RequestFailure(`HTTP ${response.status}: ${said(await response.text().catch(brokeOff))}`, {
      status: response.status,
      retryable: response.status === 408 || response.status === 429 || isPassing(response.status),
    });
  };
  const again = <T>(work: (attempt: number) => Promise<T>): Promise<T> =>
    pRetry(work, {
      retries,
      minTimeout: 500,
      maxTimeout: 60_000,
      ...(signal !== undefined && { signal }),
      shouldRetry: (error) => error instanceof RequestFailure && error.retryable,
    });
  const askOnce = async (path: string, init: RequestInit = {}): Promise<string> =>
    (await fetchOnce(path, init)).text().catch(brokeOff);
  const ask = (path: string, init: RequestInit = {}): Promise<string> => again(() => askOnce(path, init));
  const find = async (submission: string): Promise<RemoteBatch | undefined> => {
    const { data } = listSchema.parse(JSON.parse(await askOnce("/v1/batches?limit=100")));
    return data.find(({ metadata }) => metadata?.submission === submission);
  };
  return {
    async upload(jsonl, name) {
      const form = new FormData();
      form.set("purpose", "batch");
      form.set("file", jsonl, name);
      return fileSchema.parse(JSON.parse(await ask("/v1/files", { method: "POST", body: form }))).id;
    },
    create: (body, submission) =>
      again(async (attempt) => {
        const made = attempt === 1 ? undefined : await find(submission);
        const asked = JSON.stringify({ ...body, metadata: { submission } });
        return made ?? batchSchema.parse(JSON.parse(await askOnce("/v1/batches", { method: "POST", body: asked })));
      }),
    find: (submission) => again(() => find(submission)),
    async retrieve(id) {
      try {
        return batchSchema.parse(JSON.parse(await ask(`/v1/batches/${id}`)));
      } catch (error) {
        if (error instanceof RequestFailure && error.status === 404) return undefined;
        throw error;
      }
    },
    download: (file, path) =>
      again(async () => {
        const { body } = await fetchOnce(`/v1/files/${file}/content`, {});
        // whatever an earlier try has left is written over
        await writeFile(path, body === null ? "" : piecesOf(body)).catch(brokeOff);
      }),
    async remove(file) {
      await ask(`/v1/files/${file}`, { method: "DELETE" });
    },
  };
}

/** Lines of a result file that was downloaded, one at a time. */
export async function* readLines(path: string): AsyncGenerator<RemoteLine> {
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line !== "") yield lineSchema.parse(JSON.parse(line));
  }
}

async function* piecesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
}

/** 501: the worker has no batches, now and later. */
function isPassing(status: number): boolean {
  return status >= 500 && status !== 501;
}

function said(text: string): string {
  try {
    return failureSchema.parse(JSON.parse(text)).error.message;
  } catch {
    return text.trim().slice(0, 200);
  }
}
