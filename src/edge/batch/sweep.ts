// What is left over in the bucket: uploads that broke off, files that were deleted or have expired, chunks of batches that have ended.
// Whatever cannot be deleted now is deleted later.

import type { BatchRecord, Chunk, FileRecord } from "./ledger-api.ts";
import { activeBatches, ENDED } from "./ledger-rows.ts";
import { readDocs, type Sql } from "./ledger-tables.ts";
import { chunkKey } from "./names.ts";
import type { FileBucket } from "./platform.ts";

/** An upload that was not finished after so long is taken away. */
export const UPLOAD_MS = 3_600_000;
/** What could not be deleted is tried again after so long. */
export const SWEEP_MS = 60_000;
/** What a failed batch had done can be read for so long. */
const KEEP_FAILED_MS = 7 * 24 * 3_600_000;
const DELETE_AT_ONCE = 500;

/** Leaves an object to the next sweep. */
export function throwAway(sql: Sql, key: string): void {
  sql.exec("INSERT OR IGNORE INTO garbage VALUES (?)", key);
}

/** Takes away what is left over. What the bucket refuses stays for the next time. */
export async function sweep(sql: Sql, bucket: FileBucket): Promise<void> {
  await dropHalfMade(sql, bucket).catch(() => undefined);
  dropExpired(sql);
  await dropChunks(sql, bucket).catch(() => undefined);
  await dropGarbage(sql, bucket).catch(() => undefined);
}

/** When there will be something to sweep; undefined: nothing is left over. */
export function nextSweepMs(sql: Sql): number | undefined {
  const has = (table: string) => sql.exec(`SELECT 1 FROM ${table} LIMIT 1`).toArray().length > 0;
  const chunksEnd = keptChunks(sql).map(({ untilMs }) => Math.max(SWEEP_MS, untilMs - Date.now()));
  const filesEnd = readDocs<FileRecord>(sql, "files").flatMap(({ expiresAt }) =>
    expiresAt === null ? [] : Math.max(SWEEP_MS, 1_000 * expiresAt - Date.now()),
  );
  const next = Math.min(
    ...(has("garbage") ? [SWEEP_MS] : []),
    ...(has("uploads") ? [UPLOAD_MS] : []),
    ...chunksEnd,
    ...filesEnd,
  );
  return Number.isFinite(next) ? next : undefined;
}

async function dropHalfMade(sql: Sql, bucket: FileBucket): Promise<void> {
  for (const row of sql.exec("SELECT * FROM uploads WHERE at < ?", Date.now() - UPLOAD_MS).toArray()) {
    const [key, uploadId] = [String(row.key), String(row.upload_id)];
    if (uploadId !== "") {
      // one that is gone already needs no end
      await bucket
        .resumeMultipartUpload(key, uploadId)
        .abort()
        .catch(() => undefined);
    }
    // it may have been whole, and not yet told
    throwAway(sql, key);
    sql.exec("DELETE FROM uploads WHERE id = ?", String(row.id));
  }
}

function dropExpired(sql: Sql): void {
  const now = Date.now() / 1000;
  const inUse = activeBatches(sql).map(({ inputFile }) => inputFile);
  for (const { id, key, expiresAt } of readDocs<FileRecord>(sql, "files")) {
    if ((expiresAt ?? now) >= now || inUse.includes(id)) continue;
    sql.exec("DELETE FROM files WHERE id = ?", id);
    throwAway(sql, key);
  }
}

/** Batches whose chunks are there, and from when on nobody reads them. */
function keptChunks(sql: Sql): { id: string; untilMs: number }[] {
  return sql
    .exec("SELECT DISTINCT batch FROM shards")
    .toArray()
    .map(({ batch: name }) => {
      const id = String(name);
      const [batch] = readDocs<BatchRecord>(sql, "batches", id);
      if (batch === undefined) return { id, untilMs: 0 };
      if (!ENDED.includes(batch.status)) return { id, untilMs: Number.POSITIVE_INFINITY };
      // what has failed without results has nothing else to be read
      const isRead = batch.status === "failed" && !hasResults(sql, batch);
      return { id, untilMs: isRead ? 1_000 * (batch.at.failed ?? 0) + KEEP_FAILED_MS : 0 };
    });
}

function hasResults(sql: Sql, { outputFile, errorFile }: BatchRecord): boolean {
  return [outputFile, errorFile].some((id) => readDocs(sql, "files", id).length > 0);
}

async function dropChunks(sql: Sql, bucket: FileBucket): Promise<void> {
  for (const { id } of keptChunks(sql).filter(({ untilMs }) => untilMs < Date.now())) {
    const query = "SELECT doc FROM chunks WHERE batch = ? ORDER BY first LIMIT ?";
    for (let rows = sql.exec(query, id, DELETE_AT_ONCE).toArray(); rows.length > 0; ) {
      const chunks = rows.map(({ doc }): Chunk => JSON.parse(String(doc)));
      await bucket.delete(chunks.map(({ first }) => chunkKey(id, first)));
      sql.exec("DELETE FROM chunks WHERE batch = ? AND first <= ?", id, chunks.at(-1)?.first ?? 0);
      rows = sql.exec(query, id, DELETE_AT_ONCE).toArray();
    }
    for (const table of ["shards", "tries", "lives"]) sql.exec(`DELETE FROM ${table} WHERE batch = ?`, id);
  }
}

async function dropGarbage(sql: Sql, bucket: FileBucket): Promise<void> {
  const rows = sql.exec("SELECT key FROM garbage LIMIT ?", DELETE_AT_ONCE).toArray();
  const keys = rows.map(({ key }) => String(key));
  if (keys.length === 0) return;
  await bucket.delete(keys);
  for (const key of keys) sql.exec("DELETE FROM garbage WHERE key = ?", key);
}
