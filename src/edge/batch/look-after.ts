// That every batch ends: workflows that were cut off are woken, those that are gone are begun anew, and what dies again and again, or is
// not done long after its time, ends with the reason.

import { brokenOff } from "./fault.ts";
import type { BatchRecord, Ledger, Shard } from "./ledger-api.ts";
import { controlOf, JOB, lifeRow, seeShard, setLife, shardsOf } from "./ledger-rows.ts";
import type { Sql } from "./ledger-tables.ts";
import { type LifeNow, lifeOf, tick } from "./life.ts";
import { jobInstance, shardInstance } from "./names.ts";
import type { BatchBindings } from "./platform.ts";

/** A workflow that died so often gives up what it was for; one that still dies ends the batch. */
const MAX_LIVES = 3;
/** No batch is worked on for so long after its window. */
const OVERDUE_MS = 24 * 3_600_000;

/** Where batches are looked after: the ledger, and the workflows that it knows of. */
export interface Care {
  sql: Sql;
  env: Pick<BatchBindings, "BATCH_JOBS" | "BATCH_SHARDS">;
  ledger: Pick<Ledger, "fail" | "breakOff" | "shardEnded">;
}

/** Looks after a batch that has not ended. `wasFresh`: the ledger was started anew, and everything may have been cut off. */
export async function lookAfter(
  care: Care,
  batch: BatchRecord,
  { wasFresh, staleMs }: { wasFresh: boolean; staleMs: number },
): Promise<void> {
  const { id, expiresAt, isPaused } = batch;
  if (Date.now() > 1_000 * expiresAt + OVERDUE_MS) {
    return care.ledger.fail(id, [brokenOff("it was not done a day after its window")]);
  }
  const { life } = lifeRow(care.sql, id, JOB);
  const job = await lifeOf(care.env.BATCH_JOBS, jobInstance(id, life));
  if (job.state === "absent") await startJob(care, batch, life);
  if (job.state === "dead") await reviveJob(care, batch, job);
  if (wasFresh || (isPaused && Date.now() > 1_000 * expiresAt)) await wake(care, batch);
  else if (!isPaused) await wakeShards(care, batch, staleMs);
}

/** Tells all of a batch's workflows that something has changed. */
export async function wake(care: Care, batch: BatchRecord): Promise<void> {
  await tick(care.env.BATCH_JOBS, jobInstance(batch.id, lifeRow(care.sql, batch.id, JOB).life));
  await wakeShards(care, batch, 0);
}

async function startJob({ env }: Care, { id, owner }: BatchRecord, life: number): Promise<void> {
  await env.BATCH_JOBS.createBatch([{ id: jobInstance(id, life), params: { owner, batch: id } }]);
}

async function reviveJob(care: Care, batch: BatchRecord, { reason }: LifeNow): Promise<void> {
  const life = lifeRow(care.sql, batch.id, JOB).life + 1;
  setLife(care.sql, batch.id, JOB, { life, givenUp: null });
  if (life > MAX_LIVES) await care.ledger.fail(batch.id, [brokenOff(reason)]);
  else await startJob(care, batch, life);
}

/** Shards that were not heard of for so long; where none runs, the workflow that starts them, or goes on without: its word may be lost. */
async function wakeShards(care: Care, batch: BatchRecord, staleMs: number): Promise<void> {
  const running = shardsOf(care.sql, batch.id, "running");
  const isBetween = running.length === 0 && ["in_progress", "cancelling"].includes(batch.status);
  if (isBetween) await tick(care.env.BATCH_JOBS, jobInstance(batch.id, lifeRow(care.sql, batch.id, JOB).life));
  const stale = running.filter(({ seen }) => Date.now() - seen >= staleMs);
  for (const shard of stale) {
    const { life } = lifeRow(care.sql, batch.id, shard.shard);
    const name = shardInstance(batch.id, shard.shard, life);
    const now = await lifeOf(care.env.BATCH_SHARDS, name);
    if (now.state === "dead") await reviveShard(care, { batch, shard }, now);
    else if (now.state === "absent") await startShard(care, { batch, shard }, life);
    else await tick(care.env.BATCH_SHARDS, name);
  }
}

interface OneShard {
  batch: BatchRecord;
  shard: Shard;
}

async function startShard({ env }: Care, { batch: { id, owner }, shard: of }: OneShard, life: number): Promise<void> {
  const { shard, first, last, from, to } = of;
  const params = { owner, batch: id, shard, first, last, from, to };
  await env.BATCH_SHARDS.createBatch([{ id: shardInstance(id, shard, life), params }]);
}

/** A new workflow for what is left of a shard; after some it writes the reason in place of answers, then the batch ends. */
async function reviveShard(care: Care, one: OneShard, { reason }: LifeNow): Promise<void> {
  const [id, number] = [one.batch.id, one.shard.shard];
  const { life, givenUp } = lifeRow(care.sql, id, number);
  const isCancelled = controlOf(one.batch) === "cancel";
  const next = { life: life + 1, givenUp: givenUp ?? (life >= MAX_LIVES ? reason : null) };
  setLife(care.sql, id, number, next);
  if (next.life <= 2 * MAX_LIVES && !isCancelled) return startShard(care, one, next.life);
  // before others are woken, who would start it once more
  seeShard(care.sql, id, number, "ended");
  if (!isCancelled) await care.ledger.breakOff(id, brokenOff(reason));
  await care.ledger.shardEnded(id, number);
}
