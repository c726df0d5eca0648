// The steps of a batch's own workflow: checking the input, starting shards, putting the results together.

import { findDuplicates } from "./find-duplicates.ts";
import type { FileRecord } from "./ledger-api.ts";
import { inputKey, resultFileId, shardInstance } from "./names.ts";
import { PART_BYTES } from "./part-writer.ts";
import { planShards } from "./plan-shards.ts";
import { type BatchBindings, type JobParams, ledgerOf, type UploadedPart } from "./platform.ts";
import { allChunks, piecesOf, type ResultKind, readRange } from "./result-file.ts";

/** Parts of a result that one step writes. */
const PARTS_A_STEP = 8;

/** Looks for ids that occur twice and cuts the input into shards. False: the batch has failed, and its errors tell why. */
export async function planBatch(
  bindings: BatchBindings,
  { owner, batch: id }: JobParams,
  maxLineBytes: number,
): Promise<boolean> {
  const ledger = ledgerOf(bindings, owner);
  const batch = await ledger.batch(id);
  const file = batch === undefined ? undefined : await ledger.file(batch.inputFile);
  if (batch === undefined || file?.input === undefined) {
    const message = "The input file is no longer there.";
    await ledger.fail(id, [{ code: "invalid_input_file", message, line: 0, param: "input_file_id" }]);
    return false;
  }
  const errors = await findDuplicates(bindings.BATCH_FILES, file.key, file.input, maxLineBytes);
  if (errors.length > 0) {
    await ledger.fail(id, errors);
    return false;
  }
  await ledger.plan(id, planShards(file.input, file.bytes));
  return true;
}

/** Starts as many shards as may run; resolves to the number of those that have not ended. */
export async function startShards(bindings: BatchBindings, { owner, batch }: JobParams): Promise<number> {
  const { start, left } = await ledgerOf(bindings, owner).takeShards(batch);
  const instances = start.map(({ shard, first, last, from, to, life }) => ({
    id: shardInstance(batch, shard, life),
    params: { owner, batch, shard, first, last, from, to },
  }));
  if (instances.length > 0) await bindings.BATCH_SHARDS.createBatch(instances);
  return left;
}

export interface WrittenResult {
  kind: ResultKind;
  bytes: number;
}

/** Writes a result file as one object. Every part is cut from the same bytes whenever it is written. */
export async function writeParts(
  bindings: BatchBindings,
  { owner, batch }: JobParams,
  kind: ResultKind,
  step: <T>(name: string, work: () => Promise<T>) => Promise<T>,
): Promise<WrittenResult> {
  const bucket = bindings.BATCH_FILES;
  const key = inputKey(resultFileId(batch, kind));
  const pieces = async () => piecesOf(batch, await allChunks(ledgerOf(bindings, owner), batch), kind);
  const sizeOf = (all: Awaited<ReturnType<typeof pieces>>) => all.reduce((sum, { length }) => sum + length, 0);
  const open = await step(`${kind}: begin`, async () => {
    const all = await pieces();
    const bytes = sizeOf(all);
    if (bytes > PART_BYTES) return { bytes, uploadId: (await bucket.createMultipartUpload(key)).uploadId };
    await bucket.put(key, await readRange(bucket, all, 0, bytes));
    return { bytes, uploadId: "" };
  });
  if (open.uploadId === "") return { kind, bytes: open.bytes };
  const parts: UploadedPart[] = [];
  const count = Math.ceil(open.bytes / PART_BYTES);
  for (let first = 0; first < count; first += PARTS_A_STEP) {
    const written = await step(`${kind}: parts from ${first}`, async () => {
      const all = await pieces();
      const upload = bucket.resumeMultipartUpload(key, open.uploadId);
      const done: UploadedPart[] = [];
      for (let part = first; part < Math.min(count, first + PARTS_A_STEP); part++) {
        const bytes = await readRange(bucket, all, part * PART_BYTES, Math.min(open.bytes, (part + 1) * PART_BYTES));
        const { partNumber, etag } = await upload.uploadPart(part + 1, bytes);
        done.push({ partNumber, etag });
      }
      return done;
    });
    parts.push(...written);
  }
  await step(`${kind}: end`, async () => {
    // a step that was cut off after this has nothing left to complete
    if ((await bucket.head(key))?.size === open.bytes) return true;
    await bucket.resumeMultipartUpload(key, open.uploadId).complete(parts);
    return true;
  });
  return { kind, bytes: open.bytes };
}

/** Says that the batch has ended; its ledger takes the chunks away. */
export async function finishBatch(
  bindings: BatchBindings,
  { owner, batch }: JobParams,
  results: readonly WrittenResult[],
): Promise<void> {
  const createdAt = Math.floor(Date.now() / 1000);
  const files = results.map(({ kind, bytes }): FileRecord => {
    const id = resultFileId(batch, kind);
    const filename = `${batch}_${kind}.jsonl`;
    return { id, purpose: "batch_output", filename, bytes, createdAt, expiresAt: null, key: inputKey(id) };
  });
  const [empty] = files.filter(({ bytes, id }) => bytes === 0 && id.endsWith("error"));
  const filled = files.filter((file) => file !== empty);
  await ledgerOf(bindings, owner).finish(batch, filled);
  if (empty !== undefined) await bindings.BATCH_FILES.delete(empty.key);
}
