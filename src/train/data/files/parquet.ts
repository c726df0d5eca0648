// Parquet: what every data set on the Hub is converted to. Read row group by row group, a large one in parts, so that no more than a part
// of the rows stands in memory.

import { type FileHandle, open } from "node:fs/promises";
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { InputError } from "../../../shared/errors.ts";
import { isObject } from "../bad-record.ts";
import type { RawItem } from "./raw-record.ts";

export const PARQUET_MAGIC = [0x50, 0x41, 0x52, 0x31]; // PAR1

/** Rows that are decoded at a time. */
const MAX_ROWS = 1000;

/** Records of the file, in order. Throws InputError for a file that is cut off or damaged, naming its row group. */
export async function* readParquet(path: string): AsyncGenerator<RawItem> {
  const file = await open(path);
  try {
    const buffer = await bufferOf(file);
    const metadata = await metadataOf(buffer, path);
    let first = 0;
    for (const [group, { num_rows }] of metadata.row_groups.entries()) {
      const end = first + Number(num_rows);
      for (let rowStart = first; rowStart < end; rowStart += MAX_ROWS) {
        const rowEnd = Math.min(rowStart + MAX_ROWS, end);
        const rows = await readRows(buffer, metadata, { rowStart, rowEnd }, `${path}, row group ${group}`);
        for (const [i, row] of rows.entries()) yield { value: plainValue(row), where: `${path} row ${rowStart + i}` };
      }
      first = end;
    }
  } finally {
    await file.close();
  }
}

/** Rows of a file. Throws as `readParquet`. */
export async function countRows(path: string): Promise<number> {
  const file = await open(path);
  try {
    return Number((await metadataOf(await bufferOf(file), path)).num_rows);
  } finally {
    await file.close();
  }
}

async function bufferOf(file: FileHandle): Promise<AsyncBuffer> {
  const { size } = await file.stat();
  return {
    byteLength: size,
    async slice(start, end = size) {
      const bytes = new Uint8Array(end - start);
      await file.read(bytes, 0, bytes.length, start);
      return bytes.buffer;
    },
  };
}

async function metadataOf(file: AsyncBuffer, path: string): Promise<FileMetaData> {
  try {
    const metadata = await parquetMetadataAsync(file);
    // least and largest values of each column of each row group: nobody asks for them, and in a large file they are a hundred megabytes
    for (const { columns } of metadata.row_groups) for (const { meta_data } of columns) delete meta_data?.statistics;
    return metadata;
  } catch (cause) {
    throw broken("the Parquet file is cut off or damaged: its end, which describes it, cannot be read", path, cause);
  }
}

async function readRows(
  file: AsyncBuffer,
  metadata: FileMetaData,
  rows: { rowStart: number; rowEnd: number },
  where: string,
): Promise<Record<string, unknown>[]> {
  try {
    return await parquetReadObjects({ file, metadata, compressors, useOffsetIndex: true, ...rows });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw broken(`rows ${rows.rowStart} to ${rows.rowEnd - 1} cannot be read: ${why}`, where, cause);
  }
}

function broken(what: string, where: string, cause: unknown): InputError {
  return new InputError({ code: "broken_parquet", what, where, fix: "Copy or download the file again.", cause });
}

/** Whole numbers of 64 bits as numbers; everything else is as JSON would have it. */
function plainValue(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) return value.map(plainValue);
  if (!isObject(value) || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plainValue(inner)]));
}
