// The request's body: bounded in bytes, in time and in number before it is parsed, then held to a schema.

import type { Context } from "hono";
import type { z } from "zod";
import { InputError } from "../../shared/errors.ts";
import { CallerLeft } from "./call.ts";
import { HttpError } from "./errors.ts";

/** A body that is not whole after so long is given up. */
const MAX_READ_MS = 15_000;
/** Bodies that may arrive at a time, and the bytes of them that are held meanwhile. */
const MAX_READING = 64;
const MAX_HELD_BYTES = 16 * 2 ** 20;
const MAX_FIELD_CHARACTERS = 80;

const arriving = { bodies: 0, bytes: 0 };

/** Reads and parses the body. Throws 413, 408, 400, 503 when too many bodies arrive at once, or InputError (422) naming the field. */
export async function readJson<S extends z.ZodType>(c: Context, schema: S, maxBytes: number): Promise<z.output<S>> {
  const parsed = schema.safeParse(parseJson(await readBounded(c.req.raw, maxBytes)));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const unknownKeys = issue?.code === "unrecognized_keys" ? issue.keys.slice(0, 1) : [];
  const field = fieldName([...(issue?.path ?? []), ...unknownKeys]);
  throw new InputError({
    code: "bad_request",
    what: issue?.code === "unrecognized_keys" ? "unknown field" : (issue?.message ?? "invalid"),
    where: field === "" ? "body" : `field "${field}"`,
    fix: issue?.code === "unrecognized_keys" ? "GET /openapi.json lists the fields." : undefined,
  });
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new HttpError(400, "invalid_json", "the body is not JSON (UTF-8).");
  }
}

async function readBounded(request: Request, maxBytes: number): Promise<Uint8Array> {
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) throw tooLarge(maxBytes);
  if (request.body === null) return new Uint8Array();
  if (arriving.bodies >= MAX_READING) throw tooMany();
  arriving.bodies += 1;
  const held = { bytes: 0 };
  const reader = request.body.getReader();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(tooSlow()), MAX_READ_MS);
  });
  try {
    return await Promise.race([readAll(reader, maxBytes, held), late]);
  } catch (error) {
    // the rest is not wanted
    reader.cancel().catch(() => undefined);
    throw error;
  } finally {
    clearTimeout(timer);
    arriving.bodies -= 1;
    arriving.bytes -= held.bytes;
  }
}

async function readAll(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  maxBytes: number,
  held: { bytes: number },
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for (let next = await readChunk(reader); !next.done; next = await readChunk(reader)) {
    held.bytes += next.value.length;
    arriving.bytes += next.value.length;
    if (held.bytes > maxBytes) throw tooLarge(maxBytes);
    if (arriving.bytes > MAX_HELD_BYTES) throw tooMany();
    chunks.push(next.value);
  }
  const body = new Uint8Array(held.bytes);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return body;
}

/** A body that breaks off has a caller who has gone. */
async function readChunk(reader: ReadableStreamDefaultReader<Uint8Array>) {
  try {
    return await reader.read();
  } catch {
    throw new CallerLeft();
  }
}

function tooLarge(maxBytes: number): HttpError {
  return new HttpError(413, "payload_too_large", `the body has more than ${maxBytes} bytes.`);
}

function tooSlow(): HttpError {
  return new HttpError(408, "timeout", `the body did not arrive within ${MAX_READ_MS / 1000} s.`);
}

function tooMany(): HttpError {
  return new HttpError(503, "overloaded", "too many bodies arrive at once. Try again in a second.", {
    "retry-after": "1",
  });
}

/** `["parameters", "stop", 0]` -> `parameters.stop[0]`, shortened: a caller's key may be a megabyte. */
function fieldName(path: readonly PropertyKey[]): string {
  const name = path.reduce<string>(
    (so, part) => (typeof part === "number" ? `${so}[${part}]` : so === "" ? String(part) : `${so}.${String(part)}`),
    "",
  );
  return name.length > MAX_FIELD_CHARACTERS ? `${name.slice(0, MAX_FIELD_CHARACTERS)}...` : name;
}
