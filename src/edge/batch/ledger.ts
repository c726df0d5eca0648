// The ledger: a Durable Object with SQLite, one of an owner. All of a batch's state that changes is here; its data is in the bucket. Whatever
// a repeated step reports again is counted once.
// https://developers.cloudflare.com/durable-objects/best-practices/access-durable-objects-storage/

import { DurableObject } from "cloudflare:workers";
import type {
  BatchRecord,
  BatchStatus,
  Chunk,
  Control,
  FileRecord,
  Ledger,
  LineError,
  Page,
  Shard,
} from "./ledger-api.ts";
import { createTables, readDocs, readPage, writeDoc } from "./ledger-tables.ts";
import { shardInstance } from "./names.ts";
import { type BatchBindings, TICK } from "./platform.ts";

const ENDED: readonly BatchStatus[] = ["failed", "completed", "expired", "cancelled"];
/** How often a ledger with batches in work looks after them. */
const WATCH_MS = 30_000;
/** An upload that was not finished after so long is taken away. */
const UPLOAD_MS = 3_600_000;
/** Speed is that of the last so many seconds. */
const PACE_S = 120;

export interface LedgerEnv extends BatchBindings {
  BATCH_STALE_MS?: string;
}

export class BatchLedger extends DurableObject<LedgerEnv> implements Ledger {
  /** After a restart every workflow is looked after once. */
  #isFresh = true;

  constructor(ctx: DurableObject<LedgerEnv>["ctx"], env: LedgerEnv) {
    super(ctx, env);
    createTables(this.#sql);
    if (this.#active().length > 0) this.#watch(0);
  }

  get #sql() {
    return this.ctx.storage.sql;
  }

  async openUpload({ id, key, uploadId }: { id: string; key: string; uploadId: string }) {
    this.#sql.exec("INSERT INTO uploads VALUES (?, ?, ?, ?)", id, key, uploadId, Date.now());
    this.#watch(UPLOAD_MS);
  }

  async closeUpload(id: string) {
    this.#sql.exec("DELETE FROM uploads WHERE id = ?", id);
  }

  async addFile(file: FileRecord) {
    writeDoc(this.#sql, "files", file);
    await this.closeUpload(file.id);
  }

  async file(id: string) {
    return readDocs<FileRecord>(this.#sql, "files", id)[0];
  }

  async files({ purpose, ...page }: Page & { purpose?: string | undefined }) {
    return readPage<FileRecord>(this.#sql, "files", page, purpose);
  }

  async removeFile(id: string) {
    const file = await this.file(id);
    if (file === undefined) return "absent";
    if (this.#active().some(({ inputFile }) => inputFile === id)) return "in_use";
    this.#sql.exec("DELETE FROM files WHERE id = ?", id);
    return file;
  }

  async addBatch(batch: BatchRecord) {
    writeDoc(this.#sql, "batches", batch);
    this.#watch(WATCH_MS);
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
    const cancelling = this.#move({ ...batch, isPaused: false }, "cancelling");
    await this.#wake(id);
    return cancelling;
  }

  async setPaused(id: string, isPaused: boolean) {
    const batch = await this.batch(id);
    if (batch === undefined || ENDED.includes(batch.status)) return batch;
    const changed = { ...batch, isPaused };
    writeDoc(this.#sql, "batches", changed);
    if (!isPaused) await this.#wake(id);
    return changed;
  }

  async fail(id: string, errors: LineError[]) {
    const batch = await this.batch(id);
    if (batch !== undefined && !ENDED.includes(batch.status)) this.#move({ ...batch, errors }, "failed");
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
    if (batch.status === "validating") this.#move({ ...batch, total: shards.at(-1)?.last ?? 0 }, "in_progress");
  }

  async takeShards(id: string) {
    const batch = await this.batch(id);
    if (batch === undefined) return { start: [], left: 0 };
    const running = this.#shards(id, "running");
    const places = Math.max(0, batch.parameters.concurrency - running.length);
    const cancelled = batch.status === "cancelling";
    const fresh = cancelled ? [] : this.#shards(id, "waiting", places);
    for (const { shard } of fresh) this.#seen(id, shard, "running");
    const left = running.length + fresh.length + (cancelled ? 0 : this.#shards(id, "waiting").length);
    // what already runs is told again: the step that started it may have been cut off
    return { start: [...running, ...fresh], left };
  }

  async begin(id: string, shard: number, first: number) {
    const batch = await this.batch(id);
    if (batch === undefined) throw new Error(`batch ${id} is not in the ledger`);
    this.#seen(id, shard, "running");
    const control = controlOf(batch);
    if (control === "expire" && !batch.isExpired) writeDoc(this.#sql, "batches", { ...batch, isExpired: true });
    if (control !== "run") return { control, tries: 0, batch };
    this.#sql.exec(
      "INSERT INTO tries VALUES (?, ?, 1) ON CONFLICT (batch, first) DO UPDATE SET tries = tries + 1",
      id,
      first,
    );
    const [row] = this.#sql.exec("SELECT tries FROM tries WHERE batch = ? AND first = ?", id, first).toArray();
    return { control, tries: Number(row?.tries), batch };
  }

  async done(id: string, shard: number, chunk: Chunk) {
    this.#seen(id, shard, "running");
    const { rowsWritten } = this.#sql.exec(
      "INSERT OR IGNORE INTO chunks VALUES (?, ?, ?, ?)",
      id,
      chunk.first,
      JSON.stringify(chunk),
      Date.now(),
    );
    const batch = await this.batch(id);
    if (rowsWritten === 0 || batch === undefined) return;
    this.#sql.exec("DELETE FROM tries WHERE batch = ? AND first = ?", id, chunk.first);
    const completed = batch.completed + chunk.completed;
    const failed = batch.failed + chunk.failed;
    writeDoc(this.#sql, "batches", { ...batch, completed, failed, tokens: batch.tokens + chunk.tokens });
  }

  async shardEnded(id: string, shard: number) {
    this.#seen(id, shard, "ended");
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
    if (batch?.status === "in_progress") this.#move(batch, "finalizing");
  }

  async finish(id: string, files: FileRecord[]) {
    const batch = await this.batch(id);
    if (batch === undefined || ENDED.includes(batch.status)) return;
    for (const file of files) writeDoc(this.#sql, "files", file);
    for (const table of ["chunks", "shards", "tries"]) this.#sql.exec(`DELETE FROM ${table} WHERE batch = ?`, id);
    if (batch.status === "cancelling") this.#move(batch, "cancelled");
    else this.#move(batch, batch.isExpired ? "expired" : "completed");
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

  /** Wakes workflows that were cut off, and takes away what was left half-made or has expired. */
  override async alarm() {
    const stale = Number(this.env.BATCH_STALE_MS ?? 60_000);
    const active = this.#active();
    const wasFresh = this.#isFresh;
    this.#isFresh = false;
    for (const { id, isPaused } of active) {
      if (wasFresh) await this.#wake(id);
      else if (!isPaused) await this.#wakeShards(id, stale);
    }
    await this.#dropHalfMade();
    await this.#dropExpired();
    const waiting = this.#sql.exec("SELECT id FROM uploads").toArray().length > 0;
    if (active.length > 0) this.#watch(Math.min(WATCH_MS, stale));
    else if (waiting) this.#watch(UPLOAD_MS);
  }

  async #wake(id: string) {
    await tick(this.env.BATCH_JOBS, id);
    await this.#wakeShards(id, 0);
  }

  async #wakeShards(id: string, staleMs: number) {
    const stale = this.#shards(id, "running").filter(({ seen }) => Date.now() - seen >= staleMs);
    for (const { shard } of stale) await tick(this.env.BATCH_SHARDS, shardInstance(id, shard));
  }

  async #dropHalfMade() {
    const old = this.#sql.exec("SELECT * FROM uploads WHERE at < ?", Date.now() - UPLOAD_MS).toArray();
    for (const row of old) {
      const upload = this.env.BATCH_FILES.resumeMultipartUpload(String(row.key), String(row.upload_id));
      // one that is gone already needs no end
      await upload.abort().catch(() => undefined);
      await this.closeUpload(String(row.id));
    }
  }

  async #dropExpired() {
    const now = Date.now() / 1000;
    const expired = readDocs<FileRecord>(this.#sql, "files").filter(({ expiresAt }) => (expiresAt ?? now) < now);
    for (const { id } of expired) {
      const removed = await this.removeFile(id);
      if (typeof removed !== "string") await this.env.BATCH_FILES.delete(removed.key);
    }
  }

  #active(): BatchRecord[] {
    return readDocs<BatchRecord>(this.#sql, "batches").filter(({ status }) => !ENDED.includes(status));
  }

  #move(batch: BatchRecord, status: BatchStatus): BatchRecord {
    const moved = { ...batch, status, at: { ...batch.at, [status]: Math.floor(Date.now() / 1000) } };
    writeDoc(this.#sql, "batches", moved);
    return moved;
  }

  #shards(id: string, state: string, limit = -1): (Shard & { seen: number })[] {
    const query = "SELECT * FROM shards WHERE batch = ? AND state = ? ORDER BY shard LIMIT ?";
    return this.#sql
      .exec(query, id, state, limit)
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

  #seen(id: string, shard: number, state: string): void {
    this.#sql.exec(
      "UPDATE shards SET state = ?, seen = ? WHERE batch = ? AND shard = ? AND state <> 'ended'",
      state,
      Date.now(),
      id,
      shard,
    );
  }

  /** Sees to an alarm within so many milliseconds. */
  #watch(ms: number): void {
    this.ctx.waitUntil(
      this.ctx.storage.getAlarm().then(async (set) => {
        const at = Date.now() + ms;
        if (set === null || set > at || set < Date.now()) await this.ctx.storage.setAlarm(at);
      }),
    );
  }
}

function controlOf({ status, isPaused, expiresAt, parameters, tokens }: BatchRecord): Control {
  if (status === "cancelling") return "cancel";
  if (Date.now() / 1000 >= expiresAt) return "expire";
  if (parameters.maxTotalTokens !== null && tokens >= parameters.maxTotalTokens) return "capped";
  return isPaused ? "pause" : "run";
}

/** Wakes a workflow; one that has ended, or was never made, stays so. */
async function tick(workflows: BatchBindings["BATCH_JOBS"] | BatchBindings["BATCH_SHARDS"], id: string): Promise<void> {
  try {
    const instance = await workflows.get(id);
    await instance.sendEvent({ type: TICK, payload: {} });
  } catch {
    // the next look comes
  }
}
