// What the ledger's rows say of batches, shards and the workflows that work on them.

import type { BatchStatus } from "../../shared/batch-states.ts";
import type { BatchRecord, Control, Life, Shard } from "./ledger-api.ts";
import { readDocs, type Sql, writeDoc } from "./ledger-tables.ts";

export const ENDED: readonly BatchStatus[] = ["failed", "completed", "expired", "cancelled"];
/** The workflow of a whole batch, among those of its shards. */
export const JOB = -1;

export function activeBatches(sql: Sql): BatchRecord[] {
  return readDocs<BatchRecord>(sql, "batches").filter(({ status }) => !ENDED.includes(status));
}

export function moveBatch(sql: Sql, batch: BatchRecord, status: BatchStatus): BatchRecord {
  const moved = { ...batch, status, at: { ...batch.at, [status]: Math.floor(Date.now() / 1000) } };
  writeDoc(sql, "batches", moved);
  return moved;
}

/** What the steps of a batch may do now. */
export function controlOf(batch: BatchRecord): Control {
  const { status, isPaused, expiresAt, parameters, tokens, fault } = batch;
  if (status === "cancelling" || fault !== null || ENDED.includes(status)) return "cancel";
  if (Date.now() / 1000 >= expiresAt) return "expire";
  if (parameters.maxTotalTokens !== null && tokens >= parameters.maxTotalTokens) return "capped";
  return isPaused ? "pause" : "run";
}

export type ShardState = "waiting" | "running" | "ended";

/** Shards in that state, the first so many; `seen` is when each was last heard of. */
export function shardsOf(sql: Sql, batch: string, state: ShardState, limit = -1): (Shard & { seen: number })[] {
  const query = "SELECT * FROM shards WHERE batch = ? AND state = ? ORDER BY shard LIMIT ?";
  return sql
    .exec(query, batch, state, limit)
    .toArray()
    .map((row) => ({
      shard: Number(row.shard),
      first: Number(row.first),
      last: Number(row.last),
      from: Number(row.from_byte),
      to: Number(row.to_byte),
      seen: Number(row.seen),
    }));
}

/** Notes that a shard was heard of; one that has ended stays so. */
export function seeShard(sql: Sql, batch: string, shard: number, state: ShardState): void {
  const update = "UPDATE shards SET state = ?, seen = ? WHERE batch = ? AND shard = ? AND state <> 'ended'";
  sql.exec(update, state, Date.now(), batch, shard);
}

/** How often the workflow of a shard, or of the batch (JOB), has died. */
export function lifeRow(sql: Sql, batch: string, shard: number): Life {
  const [row] = sql.exec("SELECT * FROM lives WHERE batch = ? AND shard = ?", batch, shard).toArray();
  const reason = row?.given_up ?? null;
  return { life: Number(row?.life ?? 0), givenUp: reason === null ? null : String(reason) };
}

export function setLife(sql: Sql, batch: string, shard: number, { life, givenUp }: Life): void {
  sql.exec("INSERT OR REPLACE INTO lives VALUES (?, ?, ?, ?)", batch, shard, life, givenUp);
}
