// POST /v1/files: a multipart form whose file goes to the bucket and through the checks of its lines at once, piece by piece.

import { type MultipartError, make } from "multipasta";
import { CallerLeft } from "../http/call.ts";
import { createInputCheck } from "./input-check.ts";
import type { FileRecord } from "./ledger-api.ts";
import { inputKey, newId } from "./names.ts";
import { BatchError } from "./openai-error.ts";
import { createPartWriter } from "./part-writer.ts";
import { type BatchBindings, ledgerOf } from "./platform.ts";

const MAX_FIELD_BYTES = 4_096;
const MAX_PARTS = 8;
/** What an input file may have. */
export const MAX_FILE_BYTES = 5 * 2 ** 30;
const EXPIRES_MIN_S = 3_600;
const EXPIRES_MAX_S = 2_592_000;

/** Of an isolate at a time: each holds a part of 8 MiB. */
const MAX_UPLOADS = 4;
const IDLE_MS = 30_000;
/** Of a body that is refused. */
const MAX_REST_BYTES = 16 * 2 ** 20;
const MAX_REST_MS = 5_000;
const GONE_MS = 120_000;

export interface UploadOptions {
  owner: string;
  maxLineBytes: number;
  /** Time without a piece after which a caller is given up. */
  idleMs?: number;
}

/** When each was last heard of: one whose request the platform has ended leaves no other trace. */
const heardOf = new Map<string, number>();

/** Takes a file in. Throws BatchError; nothing of a file that was not taken is left. */
export async function takeUpload(
  bindings: BatchBindings,
  request: Request,
  options: UploadOptions,
): Promise<FileRecord> {
  const id = newId("file");
  for (const [other, at] of heardOf) if (Date.now() - at > GONE_MS) heardOf.delete(other);
  if (heardOf.size >= MAX_UPLOADS) throw tooMany();
  heardOf.set(id, Date.now());
  try {
    return await take(bindings, request, { ...options, id });
  } finally {
    heardOf.delete(id);
  }
}

async function take(
  bindings: BatchBindings,
  request: Request,
  { id, owner, maxLineBytes, idleMs = IDLE_MS }: UploadOptions & { id: string },
): Promise<FileRecord> {
  const key = inputKey(id);
  const ledger = ledgerOf(bindings, owner);
  if (Number(request.headers.get("content-length") ?? 0) > MAX_FILE_BYTES) throw tooLarge();
  const check = createInputCheck(maxLineBytes);
  const writer = createPartWriter(bindings.BATCH_FILES, key, (uploadId) => ledger.openUpload({ id, key, uploadId }));
  // what cannot be taken away now is taken away by the ledger
  const cleanUp = async (): Promise<void> => {
    await writer.abort();
    await ledger.closeUpload(id);
  };
  try {
    let bytesRead = 0;
    const form = await readForm(request, idleMs, async (piece) => {
      bytesRead += piece.length;
      heardOf.set(id, Date.now());
      // a caller that names no length is held to it all the same
      if (bytesRead > MAX_FILE_BYTES) throw tooLarge();
      check.write(piece);
      await writer.write(piece);
    });
    const input = check.end();
    const purpose = form.fields.get("purpose");
    if (form.filename === undefined) throw wrong("file", "is missing");
    if (purpose !== "batch") throw wrong("purpose", 'must be "batch"');
    if (input.records === 0) throw wrong("file", "holds no line");
    if (input.errorCount === input.records) {
      const [first] = input.errors;
      throw wrong("file", `is not a JSONL file of requests: line ${first?.line}: ${first?.message}`);
    }
    const now = Math.floor(Date.now() / 1000);
    const expiresAt = expiryOf(form.fields, now);
    const bytes = await writer.end();
    const file: FileRecord = { id, purpose, filename: form.filename, bytes, createdAt: now, expiresAt, key, input };
    await ledger.addFile(file);
    return file;
  } catch (error) {
    await cleanUp().catch(() => undefined);
    throw error;
  }
}

interface Form {
  fields: ReadonlyMap<string, string>;
  filename: string | undefined;
}

/** Reads a form; pieces of its file are handed on as they come, and waited for. */
async function readForm(
  request: Request,
  idleMs: number,
  onPiece: (piece: Uint8Array) => Promise<void>,
): Promise<Form> {
  const fields = new Map<string, string>();
  let filename: string | undefined;
  let failure: MultipartError | undefined;
  let isDone = false;
  let pieces: Uint8Array[] = [];
  const parser = make({
    headers: { "content-type": request.headers.get("content-type") ?? "" },
    maxFieldSize: MAX_FIELD_BYTES,
    maxParts: MAX_PARTS,
    onField: ({ name }, value) => fields.set(name, new TextDecoder().decode(value)),
    onFile(part) {
      if (part.name !== "file" || filename !== undefined) return () => undefined;
      filename = (part.filename ?? "").slice(0, 255);
      return (piece) => {
        if (piece !== null) pieces.push(piece);
      };
    },
    onError(error) {
      failure ??= error;
    },
    onDone() {
      isDone = true;
    },
  });
  // before the body is touched: who passes it on can then still read it to its end
  if (request.body === null || failure !== undefined) throw notAForm();
  const reader = request.body.getReader();
  try {
    for (let next = await readPiece(reader, idleMs); !next.done; next = await readPiece(reader, idleMs)) {
      parser.write(next.value);
      for (const piece of pieces) await onPiece(piece);
      pieces = [];
      if (failure !== undefined) throw notAForm();
    }
  } catch (error) {
    if (isLate(error)) reader.cancel().catch(() => undefined);
    else await readRest(reader);
    throw error;
  }
  parser.end();
  if (!isDone) throw notAForm();
  return { fields, filename };
}

/**
 * Of a body that is refused: a little more is read, so that the connection stays whole for who has it next; the rest, or what comes late, is
 * not wanted.
 */
async function readRest(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  const until = Date.now() + MAX_REST_MS;
  let left = MAX_REST_BYTES;
  try {
    while (left > 0 && Date.now() < until) {
      const { done, value } = await readPiece(reader, MAX_REST_MS / 10);
      if (done) return;
      left -= value.length;
    }
  } catch {
    // late, or gone
  }
  reader.cancel().catch(() => undefined);
}

/** The next piece. A caller that sends nothing for so long is given up. */
async function readPiece(reader: ReadableStreamDefaultReader<Uint8Array>, idleMs: number) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const idle = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(tooSlow(idleMs)), idleMs);
  });
  const piece = reader.read().catch(() => {
    throw new CallerLeft();
  });
  try {
    return await Promise.race([piece, idle]);
  } finally {
    clearTimeout(timer);
  }
}

function expiryOf(fields: ReadonlyMap<string, string>, now: number): number | null {
  const seconds = fields.get("expires_after[seconds]");
  if (seconds === undefined) return null;
  const value = Number(seconds);
  if (Number.isInteger(value) && value >= EXPIRES_MIN_S && value <= EXPIRES_MAX_S) return now + value;
  throw wrong("expires_after[seconds]", `must be a whole number from ${EXPIRES_MIN_S} to ${EXPIRES_MAX_S}`);
}

function wrong(param: string, what: string): BatchError {
  return new BatchError(400, "invalid_request_error", `The field "${param}" ${what}.`, { param });
}

function notAForm(): BatchError {
  return new BatchError(400, "invalid_request_error", "The body is not a whole multipart/form-data form.", {});
}

function isLate(error: unknown): boolean {
  return error instanceof BatchError && error.status === 408;
}

function tooSlow(idleMs: number): BatchError {
  const message = `Nothing more came for ${idleMs / 1000} s.`;
  return new BatchError(408, "invalid_request_error", message, { code: "upload_timed_out" });
}

function tooMany(): BatchError {
  const message = `This worker takes ${MAX_UPLOADS} uploads at a time. Try again in a while.`;
  return new BatchError(429, "invalid_request_error", message, { code: "rate_limit_exceeded" });
}

function tooLarge(): BatchError {
  return new BatchError(413, "invalid_request_error", `A file may have ${MAX_FILE_BYTES} bytes.`, { param: "file" });
}
