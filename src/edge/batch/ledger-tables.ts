// The ledger's tables. Files and batches are documents; what is counted in numbers has rows of its own.

import type { BatchRecord, FileRecord, Page } from "./ledger-api.ts";

/** The part of a Durable Object's SQL storage that is used. */
export interface Sql {
  exec(query: string, ...values: (string | number | null)[]): Cursor;
}

interface Cursor {
  toArray(): Record<string, unknown>[];
  readonly rowsWritten: number;
}

/** Makes the tables that are not there. */
export function createTables(sql: Sql): void {
  const tables = [
    "files (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, purpose TEXT, doc TEXT NOT NULL)",
    "batches (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE NOT NULL, purpose TEXT, doc TEXT NOT NULL)",
    "uploads (id TEXT PRIMARY KEY, key TEXT NOT NULL, upload_id TEXT NOT NULL, at INTEGER NOT NULL)",
    "shards (batch TEXT, shard INTEGER, first INTEGER, last INTEGER, from_byte INTEGER, to_byte INTEGER, state TEXT, seen INTEGER, PRIMARY KEY (batch, shard))",
    "chunks (batch TEXT, first INTEGER, doc TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (batch, first))",
    // of the shard, or of the whole batch's workflow: -1
    "lives (batch TEXT, shard INTEGER, life INTEGER NOT NULL, given_up TEXT, PRIMARY KEY (batch, shard))",
    // objects that are to be deleted
    "garbage (key TEXT PRIMARY KEY)",
    "tries (batch TEXT, first INTEGER, tries INTEGER, PRIMARY KEY (batch, first))",
  ];
  for (const table of tables) sql.exec(`CREATE TABLE IF NOT EXISTS ${table}`);
}

type Documents = "files" | "batches";

/** Writes a document, new or changed. */
export function writeDoc(sql: Sql, table: Documents, doc: FileRecord | BatchRecord): void {
  sql.exec(
    `INSERT INTO ${table} (id, purpose, doc) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET doc = excluded.doc`,
    doc.id,
    "purpose" in doc ? doc.purpose : null,
    JSON.stringify(doc),
  );
}

/** The document of that id, or all. */
export function readDocs<T>(sql: Sql, table: Documents, id?: string): T[] {
  const rows =
    id === undefined
      ? sql.exec(`SELECT doc FROM ${table}`).toArray()
      : sql.exec(`SELECT doc FROM ${table} WHERE id = ?`, id).toArray();
  return rows.map((row) => JSON.parse(String(row.doc)));
}

/** A page of documents, in order of their making. */
export function readPage<T>(sql: Sql, table: Documents, { after, limit, order }: Page, purpose?: string) {
  const [start] = sql.exec(`SELECT seq FROM ${table} WHERE id = ?`, after ?? "").toArray();
  const beyond = order === "asc" ? ">" : "<";
  const from = Number(start?.seq ?? (order === "asc" ? -1 : Number.MAX_SAFE_INTEGER));
  const rows = sql
    .exec(
      `SELECT doc FROM ${table} WHERE seq ${beyond} ? AND (? IS NULL OR purpose = ?) ORDER BY seq ${order} LIMIT ?`,
      from,
      purpose ?? null,
      purpose ?? null,
      limit + 1,
    )
    .toArray();
  const items: T[] = rows.slice(0, limit).map((row) => JSON.parse(String(row.doc)));
  return { items, more: rows.length > limit };
}
