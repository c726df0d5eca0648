// The ledger: a Durable Object with SQLite, one of an owner. All of a batch's state that changes is here; its data is in the bucket. Whatever
// a repeated step reports again is counted once.
// https://developers.cloudflare.com/durable-objects/best-practices/access-durable-objects-storage/

import { DurableObject } from "cloudflare:workers";
import type { BatchRecord, Begun, Chunk, FileRecord, Ledger, LineError, Page, Shard } from "./ledger-api.ts";
import {
  activeBatches,
  controlOf,
  ENDED,
  JOB,
  lifeRow,
  moveBatch,
  seeShard,
  setLife,
  shardsOf,
} from "./ledger-rows.ts";
import { createTables, readDocs, readPage, writeDoc } from "./ledger-tables.ts";
import { tick } from "./life.ts";
import { type Care, lookAfter, wake } from "./look-after.ts";
import { chunkKey, jobInstance } from "./names.ts";
import type { BatchBindings } from "./platform.ts";
import { nextSweepMs, SWEEP_MS, sweep, throwAway, UPLOAD_MS } from "./sweep.ts";

/** How often a ledger with batches in work looks after them. */
const WATCH_MS = 30_000;
/** Speed is that of the last so many seconds. */
const PACE_S = 120;

export interface LedgerEnv extends BatchBindings {
  BATCH_STALE_MS?: string;
}

export class BatchLedger extends DurableObject<LedgerEnv> implements Ledger {
  /** After a restart every workflow is looked after once. */
  #isFresh = true;
  /** The alarm that is being set. */
  #setting: Promise<void> = Promise.resolve();

  constructor(ctx: DurableObject<LedgerEnv>["ctx"], env: LedgerEnv) {
    super(ctx, env);
    createTables(this.#sql);
    if (activeBatches(this.#sql).length > 0) this.#watch(0);
  }

  get #sql() {
    return this.ctx.storage.sql;
  }

  async openUpload({ id, key, uploadId }: { id: string; key: string; uploadId: string }) {
    this.#sql.exec("INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?)", id, key, uploadId, Date.now());
    this.#watch(UPLOAD_MS);
  }

  async closeUpload(id: string) {
    this.#sql.exec("DELETE FROM uploads WHERE id = ?", id);
  }

  async addFile(file: FileRecord) {
    writeDoc(this.#sql, "files", file);
    await this.closeUpload(file.id);
    this.#watchNext();
  }

  async file(id: string) {
    const [file] = readDocs<FileRecord>(this.#sql, "files", id);
    return file === undefined || this.#isExpired(file) ? undefined : file;
  }

  /** One that a batch still works on is kept until that has ended. */
  #isExpired({ id, expiresAt }: FileRecord): boolean {
    if (expiresAt === null || Date.now() < 1_000 * expiresAt) return false;
    return !activeBatches(this.#sql).some(({ inputFile }) => inputFile === id);
  }

  async files({ purpose, ...page }: Page & { purpose?: string | undefined }) {
    const { items, more } = readPage<FileRecord>(this.#sql, "files", page, purpose);
    return { items: items.filter((file) => !this.#isExpired(file)), more };
  }

  async removeFile(id: string) {
    const file = await this.file(id);
    if (file === undefined) return "absent";
    if (activeBatches(this.#sql).some(({ inputFile }) => inputFile === id)) return "in_use";
    this.#sql.exec("DELETE FROM files WHERE id = ?", id);
    throwAway(this.#sql, file.key);
    this.#watch(0);
    return file;
  }

  async addBatch(batch: BatchRecord) {
    writeDoc(this.#sql, "batches", batch);
    this.#watchNext();
  }

  async batch(id: string) {
    return readDocs<BatchRecord>(this.#sql, "batches", id)[0];
  }

  async batches(page: Page) {
    return readPage<BatchRecord>(this.#sql, "batches", page);
  }

  async cancel(id: string) {
    const batch = await this.batch(id);
    if (batch === undefined || !["validating", "in_progress"].includes(batch.status)) return batch;
    const cancelling = moveBatch(this.#sql, { ...batch, isPaused: false }, "cancelling");
    await wake(this.#care, cancelling);
    return cancelling;
  }

  async setPaused(id: string, isPaused: boolean) {
    const batch = await this.batch(id);
    if (batch === undefined || ENDED.includes(batch.status)) return batch;
    const changed = { ...batch, isPaused };
    writeDoc(this.#sql, "batches", changed);
    if (!isPaused) await wake(this.#care, changed);
    return changed;
  }

  async fail(id: string, errors: LineError[]) {
    const batch = await this.batch(id);
    if (batch !== undefined && !ENDED.includes(batch.status)) moveBatch(this.#sql, { ...batch, errors }, "failed");
    this.#watch(0);
  }

  async breakOff(id: string, fault: LineError) {
    const batch = await this.batch(id);
    if (batch === undefined || ENDED.includes(batch.status) || batch.fault !== null) return;
    writeDoc(this.#sql, "batches", { ...batch, fault, isPaused: false });
    await wake(this.#care, batch);
  }

  async plan(id: string, shards: Shard[]) {
    const batch = await this.batch(id);
    if (batch === undefined) return;
    for (const { shard, first, last, from, to } of shards) {
      this.#sql.exec(
        "INSERT OR IGNORE INTO shards VALUES (?, ?, ?, ?, ?, ?, 'waiting', 0)",
        id,
        shard,
        first,
        last,
        from,
        to,
      );
    }
    if (batch.status === "validating")
      moveBatch(this.#sql, { ...batch, total: shards.at(-1)?.last ?? 0 }, "in_progress");
  }

  async takeShards(id: string) {
    const batch = await this.batch(id);
    if (batch === undefined) return { start: [], left: 0 };
    const running = shardsOf(this.#sql, id, "running");
    const places = Math.max(0, batch.parameters.concurrency - running.length);
    const cancelled = controlOf(batch) === "cancel";
    const fresh = cancelled ? [] : shardsOf(this.#sql, id, "waiting", places);
    for (const { shard } of fresh) seeShard(this.#sql, id, shard, "running");
    const left = running.length + fresh.length + (cancelled ? 0 : shardsOf(this.#sql, id, "waiting").length);
    // what already runs is told again: the step that started it may have been cut off
    const start = [...running, ...fresh].map((shard) => ({ ...shard, life: lifeRow(this.#sql, id, shard.shard).life }));
    return { start, left };
  }

  async begin(id: string, shard: number, first: number): Promise<Begun> {
    const batch = await this.batch(id);
    if (batch === undefined) throw new Error(`batch ${id} is not in the ledger`);
    seeShard(this.#sql, id, shard, "running");
    const { givenUp: reason } = lifeRow(this.#sql, id, shard);
    const control = reason !== null && controlOf(batch) === "run" ? "given_up" : controlOf(batch);
    if (control === "expire" && !batch.isExpired) writeDoc(this.#sql, "batches", { ...batch, isExpired: true });
    if (control !== "run") return { control, tries: 0, batch, reason };
    this.#sql.exec(
      "INSERT INTO tries VALUES (?, ?, 1) ON CONFLICT (batch, first) DO UPDATE SET tries = tries + 1",
      id,
      first,
    );
    const [row] = this.#sql.exec("SELECT tries FROM tries WHERE batch = ? AND first = ?", id, first).toArray();
    return { control, tries: Number(row?.tries), batch, reason };
  }

  async takeBack(id: string, first: number) {
    this.#sql.exec("UPDATE tries SET tries = tries - 1 WHERE batch = ? AND first = ?", id, first);
  }

  async giveUp(id: string, shard: number, reason: string) {
    const { life, givenUp } = lifeRow(this.#sql, id, shard);
    setLife(this.#sql, id, shard, { life, givenUp: givenUp ?? reason });
  }

  async done(id: string, shard: number, chunk: Chunk) {
    seeShard(this.#sql, id, shard, "running");
    const state = (await this.batch(id))?.status;
    if (state !== "failed" && (state === undefined || ENDED.includes(state))) {
      // nobody reads it any more
      throwAway(this.#sql, chunkKey(id, chunk.first));
      return this.#watch(SWEEP_MS);
    }
    const { rowsWritten } = this.#sql.exec(
      "INSERT OR IGNORE INTO chunks VALUES (?, ?, ?, ?)",
      id,
      chunk.first,
      JSON.stringify(chunk),
      Date.now(),
    );
    const batch = await this.batch(id);
    if (rowsWritten === 0 || batch === undefined || batch.status === "failed") return;
    this.#sql.exec("DELETE FROM tries WHERE batch = ? AND first = ?", id, chunk.first);
    const completed = batch.completed + chunk.completed;
    const failed = batch.failed + chunk.failed;
    writeDoc(this.#sql, "batches", { ...batch, completed, failed, tokens: batch.tokens + chunk.tokens });
  }

  async shardEnded(id: string, shard: number) {
    seeShard(this.#sql, id, shard, "ended");
    await tick(this.env.BATCH_JOBS, jobInstance(id, lifeRow(this.#sql, id, JOB).life));
  }

  async chunks(id: string, first: number, limit: number): Promise<Chunk[]> {
    const query = "SELECT doc FROM chunks WHERE batch = ? AND first >= ? ORDER BY first LIMIT ?";
    return this.#sql
      .exec(query, id, first, limit)
      .toArray()
      .map((row) => JSON.parse(String(row.doc)));
  }

  async finalize(id: string) {
    const batch = await this.batch(id);
    if (batch?.status === "in_progress") moveBatch(this.#sql, batch, "finalizing");
  }

  async finish(id: string, files: FileRecord[]) {
    const batch = await this.batch(id);
    if (batch === undefined || ENDED.includes(batch.status)) return;
    for (const file of files) writeDoc(this.#sql, "files", file);
    if (batch.fault !== null) moveBatch(this.#sql, { ...batch, errors: [batch.fault] }, "failed");
    else if (batch.status === "cancelling") moveBatch(this.#sql, batch, "cancelled");
    else moveBatch(this.#sql, batch, batch.isExpired ? "expired" : "completed");
    this.#watch(0);
  }

  async pace(id: string) {
    const batch = await this.batch(id);
    const since = Date.now() - PACE_S * 1000;
    const rows = this.#sql
      .exec("SELECT doc, at FROM chunks WHERE batch = ? AND at > ? ORDER BY at", id, since)
      .toArray();
    const chunks = rows.map((row): Chunk => JSON.parse(String(row.doc)));
    const records = chunks.reduce((sum, { first, last }) => sum + last - first, 0);
    const start = Math.min(...rows.map((row, index) => Number(row.at) - (chunks[index]?.ms ?? 0)));
    const recordsPerSecond = records === 0 ? 0 : records / Math.max(0.001, (Date.now() - start) / 1000);
    const left = batch === undefined ? 0 : batch.total - batch.completed - batch.failed;
    return { recordsPerSecond, secondsLeft: recordsPerSecond === 0 ? null : Math.ceil(left / recordsPerSecond) };
  }

  /** Wakes workflows that were cut off, replaces those that have died, and takes away what was left half-made or has expired. */
  override async alarm() {
    const wasFresh = this.#isFresh;
    this.#isFresh = false;
    // the next look is sure, whatever fails in this one
    this.#watchNext();
    const staleMs = this.#staleMs;
    for (const batch of activeBatches(this.#sql)) {
      await lookAfter(this.#care, batch, { wasFresh, staleMs }).catch(() => undefined);
    }
    await sweep(this.#sql, this.env.BATCH_FILES);
    this.#watchNext();
  }

  /** Sees to an alarm for whatever is to be done next. */
  #watchNext() {
    if (activeBatches(this.#sql).length > 0) this.#watch(Math.min(WATCH_MS, this.#staleMs));
    const sweepMs = nextSweepMs(this.#sql);
    if (sweepMs !== undefined) this.#watch(sweepMs);
  }

  get #staleMs() {
    return Number(this.env.BATCH_STALE_MS ?? 60_000);
  }

  get #care(): Care {
    return { sql: this.#sql, env: this.env, ledger: this };
  }

  /** Sees to an alarm within so many milliseconds. One after the other: who did not see the one before would set a later alarm in its place. */
  #watch(ms: number): void {
    const at = Date.now() + ms;
    this.#setting = this.#setting
      .then(async () => {
        const set = await this.ctx.storage.getAlarm();
        if (set === null || set > at || set < Date.now()) await this.ctx.storage.setAlarm(at);
      })
      .catch(() => undefined);
    this.ctx.waitUntil(this.#setting);
  }
}
