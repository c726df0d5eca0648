// One step of a shard: the records that fit into the step's time, answered and written as one object. The object's name is that of its
// first record and it is written only where it is not there: whichever run of a step comes first counts, and a step that runs again finds
// what was done.

import { ArtifactError, CapacityError } from "../../shared/errors.ts";
import type { Engine } from "../engine/engine.ts";
import type { AppDeps } from "../http/app-env.ts";
import { estimateTokens } from "./input-line.ts";
import type { BatchRecord, Begun, Chunk, Control } from "./ledger-api.ts";
import { chunkKey, clientOf, requestId } from "./names.ts";
import { type BatchBindings, ledgerOf, type ShardParams, type StoredHead } from "./platform.ts";
import { type InputRecord, LostInput, readRecords } from "./read-records.ts";
import { type RecordAnswer, runRecord } from "./run-record.ts";
import type { Turn } from "./yielding-engine.ts";

/** What answers a batch's requests: each has the engine by a turn of its own. */
export interface BatchDeps extends AppDeps {
  engineFor: (turn: Turn) => Engine;
}

/** What a step needs beside its bindings. */
export interface ChunkDeps {
  deps: BatchDeps;
  bindings: BatchBindings;
  /** No record is begun after so long. */
  stepMs: number;
}

/** Where a shard stands: the next record, and its byte in the input. */
export interface Position {
  record: number;
  byte: number;
}

const MAX_RECORDS = 1_024;
const MAX_OUTPUT_BYTES = 4 * 2 ** 20;
/** Records that a step has begun and not finished. */
const AT_ONCE = 16;
/** A step that was cut off so often has one record only; one that still is cut off gives its record up. */
const TRIES_TOGETHER = 4;
const TRIES_ALONE = 8;

/** Does a step's work. Throws what the workflow shall try again: a bucket that does not answer, models that cannot be opened. */
export async function runChunk(
  { deps, bindings, stepMs }: ChunkDeps,
  shard: ShardParams,
  at: Position,
): Promise<Position & { control: "run" | "pause" | "cancel" }> {
  const ledger = ledgerOf(bindings, shard.owner);
  const key = chunkKey(shard.batch, at.record);
  const told = async (head: StoredHead) => {
    const chunk = chunkOf(at.record, head);
    await ledger.done(shard.batch, shard.shard, chunk);
    return { record: chunk.last, byte: chunk.byte, control: "run" as const };
  };
  const before = await bindings.BATCH_FILES.head(key);
  if (before !== null) return told(before);

  const begun = await ledger.begin(shard.batch, shard.shard, at.record);
  if (begun.control === "pause" || begun.control === "cancel") return { ...at, control: begun.control };
  try {
    return await told(await workOn({ deps, bindings, stepMs }, { shard, at, key, begun }));
  } catch (error) {
    // what ends the worker says nothing; this step failed for another reason
    await ledger.takeBack(shard.batch, at.record).catch(() => undefined);
    throw error;
  }
}

/** Answers records and writes them; the head of their object, whichever run of the step has written it. */
async function workOn(
  { deps, bindings, stepMs }: ChunkDeps,
  { shard, at, key, begun }: { shard: ShardParams; at: Position; key: string; begun: Begun },
): Promise<StoredHead> {
  const { control, tries, batch, reason } = begun;
  const limit = Math.min(shard.last - at.record, tries > TRIES_TOGETHER ? 1 : MAX_RECORDS);
  const range = { from: at.byte, to: shard.to, maxLineBytes: deps.settings.MAX_BODY_BYTES, limit };
  const records = await readRecords(bindings.BATCH_FILES, batch.inputKey, range);
  if (records.length === 0) throw new LostInput("the input ends before its last record");
  const start = Date.now();
  const given = tries > TRIES_ALONE ? NEVER_ENDS : givenUp(control, reason);
  const lines =
    given === undefined
      ? await runRecords(deps, records, { batch, shard, at, stepMs })
      : records.map((record, index) => lineOf(idOf(record, at.record + index), { error: given }));
  const last = records[lines.length - 1];
  if (last === undefined) throw new Error("no record was answered");
  const output = textOf(lines.filter(({ isError }) => !isError));
  const error = textOf(lines.filter(({ isError }) => isError));
  const metadata = {
    last: at.record + lines.length,
    byte: last.to,
    output: output.length,
    completed: lines.filter(({ isError }) => !isError).length,
    tokens: lines.reduce((sum, { tokens }) => sum + tokens, 0),
    ms: Date.now() - start,
  };
  const bytes = new Uint8Array(output.length + error.length);
  bytes.set(output);
  bytes.set(error, output.length);
  const customMetadata = Object.fromEntries(Object.entries(metadata).map(([name, value]) => [name, String(value)]));
  const written = await bindings.BATCH_FILES.put(key, bytes, { customMetadata, onlyIf: { etagDoesNotMatch: "*" } });
  const head = written === null ? await bindings.BATCH_FILES.head(key) : { size: bytes.length, customMetadata };
  if (head === null) throw new Error("a finished chunk is not in the bucket");
  return head;
}

/** What stands in place of answers. */
function givenUp(control: Control, reason: string | null): Reason | undefined {
  if (control === "expire" || control === "capped") return GIVEN_UP[control];
  return control === "given_up" ? shardFailed(reason) : undefined;
}

function shardFailed(reason: string | null): Reason {
  return { code: "shard_failed", message: `This request could not be worked on: ${reason ?? "no reason is known"}` };
}

interface Reason {
  code: string;
  message: string;
}

const GIVEN_UP: Record<"expire" | "capped", Reason> = {
  expire: {
    code: "batch_expired",
    message: "This request could not be executed before the completion window expired.",
  },
  capped: { code: "token_limit_reached", message: "The batch's `max_total_tokens` were used up before this request." },
};
const NEVER_ENDS: Reason = {
  code: "request_never_ended",
  message: `The worker ended ${TRIES_ALONE} times while it worked on this request.`,
};

interface ResultLine {
  text: string;
  isError: boolean;
  tokens: number;
}

/** Answers the records from the first on while there is time; the results are those of the first so many. */
async function runRecords(
  deps: BatchDeps,
  records: readonly InputRecord[],
  { batch, shard, at, stepMs }: { batch: BatchRecord; shard: ShardParams; at: Position; stepMs: number },
): Promise<ResultLine[]> {
  const start = Date.now();
  await deps.engine.load();
  const lines: ResultLine[] = [];
  let failure: { error: unknown } | undefined;
  let bytes = 0;
  let tokens = 0;
  /** Guessed, of those that were begun and not finished. */
  let guessed = 0;
  const { owner, parameters } = batch;
  const isUsedUp = (): boolean =>
    parameters.maxTotalTokens !== null && batch.tokens + tokens + guessed >= parameters.maxTotalTokens;
  const turnOf = (index: number): Turn => ({
    owner,
    priority: parameters.priority,
    // the step's first record is answered however long it waits
    isOver: () => index > 0 && Date.now() - start > stepMs,
  });
  const rest = records.entries();
  const runRest = async (): Promise<void> => {
    for (;;) {
      if (isUsedUp()) return;
      const next = rest.next();
      if (next.done === true) return;
      const [index, record] = next.value;
      const guess = estimateTokens(record.line, record.bytes);
      guessed += guess;
      const number = at.record + index;
      const id = idOf(record, number);
      const job = {
        line: record.line,
        id,
        requestId: requestId(shard.batch, number),
        client: clientOf(shard.owner),
        parameters: batch.parameters,
      };
      try {
        const engine = deps.engineFor(turnOf(index));
        const line = lineOf(id, { requestId: job.requestId, answer: await runRecord({ ...deps, engine }, job) });
        lines[index] = line;
        bytes += line.text.length;
        tokens += line.tokens;
      } catch (error) {
        failure ??= { error };
      } finally {
        guessed -= guess;
      }
      if (failure !== undefined || Date.now() - start > stepMs || bytes > MAX_OUTPUT_BYTES) return;
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, records.length) }, runRest));
  const gap = records.findIndex((_, index) => lines[index] === undefined);
  const whole = gap < 0 ? lines : lines.slice(0, gap);
  if (whole.length === 0 && failure !== undefined) throw asPlain(failure.error);
  return whole;
}

/** What keeps every request from being answered, in words that the platform keeps. */
function asPlain(error: unknown): Error {
  if (error instanceof ArtifactError || error instanceof CapacityError) return new Error(error.message);
  return error instanceof Error ? error : new Error(String(error));
}

function idOf({ line }: InputRecord, number: number): string {
  return line.customId ?? `record-${number}`;
}

function lineOf(id: string, result: { requestId: string; answer: RecordAnswer } | { error: Reason }): ResultLine {
  if ("error" in result) {
    const text = JSON.stringify({ id: null, custom_id: id, response: null, error: result.error });
    return { text, isError: true, tokens: 0 };
  }
  const { requestId: request, answer } = result;
  const response = { status_code: answer.status, request_id: request, body: answer.body };
  const text = JSON.stringify({ id: request, custom_id: id, response, error: null });
  return { text, isError: answer.status !== 200, tokens: answer.tokens };
}

function textOf(lines: readonly ResultLine[]): Uint8Array {
  return new TextEncoder().encode(lines.map(({ text }) => `${text}\n`).join(""));
}

/** What an object tells of itself. */
function chunkOf(first: number, { size, customMetadata = {} }: StoredHead): Chunk {
  const number = (name: string): number => Number(customMetadata[name]);
  const last = number("last");
  const outputBytes = number("output");
  const completed = number("completed");
  return {
    first,
    last,
    byte: number("byte"),
    outputBytes,
    errorBytes: size - outputBytes,
    completed,
    failed: last - first - completed,
    tokens: number("tokens"),
    ms: number("ms"),
  };
}
