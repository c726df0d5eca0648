// OpenAI's Files and Batch API. Every path first finds the caller's own ledger: what others have is not there.
// https://platform.openai.com/docs/api-reference/batch

import { type Context, Hono } from "hono";
import type { z } from "zod";
import type { AppDeps, AppEnv } from "../http/app-env.ts";
import { createBatchSchema, newBatch } from "./create-batch.ts";
import type { BatchRecord, FileRecord, Ledger, Page } from "./ledger-api.ts";
import { ENDED } from "./ledger-rows.ts";
import { ownerOf } from "./names.ts";
import { batchObject, fileObject } from "./objects.ts";
import { BatchError, notFound, respondToBatchErrors } from "./openai-error.ts";
import { type BatchBindings, ledgerOf } from "./platform.ts";
import { allChunks, piecesOf, streamPieces } from "./result-file.ts";
import { takeUpload } from "./upload.ts";

const MAX_BODY_BYTES = 65_536;

/** The routes; without bindings each says that batches are off. */
export function batchRoutes(deps: AppDeps) {
  const app = new Hono<AppEnv>();
  app.onError(respondToBatchErrors(deps));
  const bound = (c: Context<AppEnv>): { bindings: BatchBindings; owner: string; ledger: Ledger } => {
    if (deps.batches === undefined) throw batchesOff();
    // without keys all callers are one
    const owner = ownerOf(c.get("client"), deps.settings.keys.length > 0);
    return { bindings: deps.batches, owner, ledger: ledgerOf(deps.batches, owner) };
  };

  app.post("/v1/files", async (c) => {
    const { bindings, owner } = bound(c);
    const work = takeUpload(bindings, c.req.raw, { owner, maxLineBytes: deps.settings.MAX_BODY_BYTES });
    return c.json(fileObject(await work));
  });
  app.get("/v1/files", async (c) => {
    const page = { ...pageOf(c), purpose: c.req.query("purpose") };
    return c.json(listOf(await bound(c).ledger.files(page), fileObject));
  });
  app.get("/v1/files/:id", async (c) => {
    const file = await findFile(bound(c).ledger, c.req.param("id"));
    return c.json(fileObject(file));
  });
  app.get("/v1/files/:id/content", async (c) => {
    const { bindings, ledger } = bound(c);
    const id = c.req.param("id");
    const file = await ledger.file(id);
    const body =
      file === undefined ? await partialResult(bindings, ledger, id) : (await bindings.BATCH_FILES.get(file.key))?.body;
    if (body === undefined) throw notFound("file", id);
    return new Response(body, { headers: { "content-type": "application/jsonl; charset=utf-8" } });
  });
  app.delete("/v1/files/:id", async (c) => {
    const { ledger } = bound(c);
    const id = c.req.param("id");
    const removed = await ledger.removeFile(id);
    if (removed === "absent") throw notFound("file", id);
    if (removed === "in_use") {
      const message = "A batch still works on this file. Cancel it first.";
      throw new BatchError(409, "invalid_request_error", message, { param: "id", code: "file_in_use" });
    }
    return c.json({ id, object: "file", deleted: true });
  });

  app.post("/v1/batches", async (c) => {
    const { bindings, owner, ledger } = bound(c);
    const body = await readBody(c, createBatchSchema);
    const file = await findFile(ledger, body.input_file_id);
    if (file.purpose !== "batch") {
      const message = "The input file's purpose is not batch.";
      throw new BatchError(400, "invalid_request_error", message, { param: "input_file_id" });
    }
    const batch = newBatch(body, file, owner);
    await ledger.addBatch(batch);
    if (batch.status === "validating") {
      await bindings.BATCH_JOBS.createBatch([{ id: batch.id, params: { owner, batch: batch.id } }]);
    }
    return c.json(batchObject(batch));
  });
  app.get("/v1/batches", async (c) =>
    c.json(listOf(await bound(c).ledger.batches(pageOf(c)), (batch) => batchObject(batch))),
  );
  app.get("/v1/batches/:id", async (c) => {
    const { ledger } = bound(c);
    const batch = found(await ledger.batch(c.req.param("id")), c);
    return c.json(batchObject(batch, await ledger.pace(batch.id)));
  });
  app.post("/v1/batches/:id/cancel", async (c) => {
    const batch = found(await bound(c).ledger.cancel(c.req.param("id")), c);
    if (batch.status !== "cancelling" && batch.status !== "cancelled") throw ended(batch, "cancelled");
    return c.json(batchObject(batch));
  });
  for (const isPaused of [true, false]) {
    const verb = isPaused ? "pause" : "resume";
    app.post(`/v1/batches/:id/${verb}`, async (c) => {
      const batch = found(await bound(c).ledger.setPaused(c.req.param("id") ?? "", isPaused), c);
      if (batch.isPaused !== isPaused) throw ended(batch, `${verb}d`);
      return c.json(batchObject(batch));
    });
  }
  return app;
}

function batchesOff(): BatchError {
  const message =
    "Batches are off: this worker has no bucket, ledger or workflows bound (npm run dev -- --batch, npm run deploy -- --batch).";
  return new BatchError(501, "server_error", message, { code: "batches_off" });
}

function ended({ status }: BatchRecord, what: string): BatchError {
  const message = `A batch that is ${status} cannot be ${what}.`;
  return new BatchError(409, "invalid_request_error", message, { code: "batch_ended" });
}

async function findFile(ledger: Ledger, id: string): Promise<FileRecord> {
  const file = await ledger.file(id);
  if (file === undefined) throw notFound("file", id);
  return file;
}

function found(batch: BatchRecord | undefined, c: Context<AppEnv>): BatchRecord {
  if (batch === undefined) throw notFound("batch", c.req.param("id") ?? "");
  return batch;
}

/** A result of a batch that still runs; undefined where there is no such batch. */
async function partialResult(bindings: BatchBindings, ledger: Ledger, id: string) {
  const named = /^file-([0-9a-f]{32})-(output|error)$/.exec(id);
  const batch = named === null ? undefined : await ledger.batch(`batch_${named[1]}`);
  if (batch === undefined) return undefined;
  const kind = named?.[2] === "error" ? "error" : "output";
  const chunks = await allChunks(ledger, batch.id);
  // the results of a batch that has ended were deleted
  if (chunks.length === 0 && ENDED.includes(batch.status)) return undefined;
  return streamPieces(bindings.BATCH_FILES, piecesOf(batch.id, chunks, kind));
}

function pageOf(c: Context<AppEnv>): Page {
  const limit = Number(c.req.query("limit") ?? 20);
  if (!Number.isInteger(limit) || limit < 1 || limit > 100) {
    const message = 'The field "limit" must be a whole number from 1 to 100.';
    throw new BatchError(400, "invalid_request_error", message, { param: "limit" });
  }
  return { limit, after: c.req.query("after"), order: c.req.query("order") === "asc" ? "asc" : "desc" };
}

function listOf<T, R extends { id: string }>({ items, more }: { items: T[]; more: boolean }, show: (item: T) => R) {
  const data = items.map(show);
  return {
    object: "list",
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: more,
  };
}

async function readBody<S extends z.ZodType>(c: Context<AppEnv>, schema: S): Promise<z.output<S>> {
  if (Number(c.req.header("content-length") ?? Number.POSITIVE_INFINITY) > MAX_BODY_BYTES) {
    const message = `The body must name its length and have at most ${MAX_BODY_BYTES} bytes.`;
    throw new BatchError(413, "invalid_request_error", message, {});
  }
  let json: unknown;
  try {
    json = JSON.parse(await c.req.text());
  } catch {
    throw new BatchError(400, "invalid_request_error", "The body is not JSON.", {});
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const unknown = issue?.code === "unrecognized_keys" ? issue.keys.slice(0, 1) : [];
  const param = [...(issue?.path ?? []), ...unknown].map(String).join(".").slice(0, 80);
  const message = `The field "${param}": ${issue?.code === "unrecognized_keys" ? "unknown" : (issue?.message ?? "invalid")}.`;
  throw new BatchError(400, "invalid_request_error", message, { param: param === "" ? null : param });
}
