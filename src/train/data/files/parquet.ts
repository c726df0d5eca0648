// Parquet: what every data set on the Hub is converted to. Read row group by row group, a large one in parts, so that no more than a part
// of the rows stands in memory. Without an index of its pages each part reads the columns' chunks from their beginning: parts are as large
// as memory allows, and a chunk that is too large for it is refused.

import { type FileHandle, open } from "node:fs/promises";
import {
  type AsyncBuffer,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
  type RowGroup,
} from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { InputError } from "../../../shared/errors.ts";
import { isObject } from "../bad-record.ts";
import type { RawItem } from "./raw-record.ts";

export const PARQUET_MAGIC = [0x50, 0x41, 0x52, 0x31]; // PAR1

export interface ParquetLimits {
  /** Rows are decoded so many unpacked bytes at a time. */
  partBytes: number;
  /** Packed bytes of one column in one row group without an index of its pages. */
  chunkBytes: number;
}

const LIMITS: ParquetLimits = { partBytes: 32e6, chunkBytes: 128e6 };

/** Records of the file, in order. Throws InputError for a file that is cut off, damaged or too large in one place, naming its row group. */
export async function* readParquet(path: string, limits: ParquetLimits = LIMITS): AsyncGenerator<RawItem> {
  const file = await open(path);
  try {
    const buffer = await bufferOf(file);
    const metadata = await metadataOf(buffer, path);
    let first = 0;
    for (const [number, group] of metadata.row_groups.entries()) {
      const where = `${path}, row group ${number}`;
      const count = Number(group.num_rows);
      const part = rowsAtOnce(group, where, limits);
      for (let rowStart = 0; rowStart < count; rowStart += part) {
        const asked = {
          metadata: { ...metadata, row_groups: [group] },
          rowStart,
          rowEnd: Math.min(rowStart + part, count),
        };
        const rows = await readRows(buffer, asked, { where, first });
        for (const [i, row] of rows.entries())
          yield { value: plainValue(row), where: `${path} row ${first + rowStart + i}` };
      }
      first += count;
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

/** Throws InputError for a row group that would not fit into memory. */
function rowsAtOnce(
  { columns, num_rows, total_byte_size }: RowGroup,
  where: string,
  { partBytes, chunkBytes }: ParquetLimits,
): number {
  for (const { meta_data, offset_index_offset } of columns) {
    const bytes = Number(meta_data?.total_compressed_size ?? 0);
    if (bytes <= chunkBytes || offset_index_offset !== undefined) continue;
    const name = meta_data?.path_in_schema.join(".") ?? "";
    throw new InputError({
      code: "large_row_group",
      what: `column "${name}" has ${Math.round(bytes / 1e6)} MB in one row group without an index of its pages, the limit is ${chunkBytes / 1e6} MB`,
      where,
      fix: "Write the file again with smaller row groups: df.to_parquet(path, row_group_size=10000) in pandas.",
    });
  }
  return Math.max(1, Math.floor((partBytes * Number(num_rows)) / Math.max(1, Number(total_byte_size))));
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
  asked: { metadata: FileMetaData; rowStart: number; rowEnd: number },
  { where, first }: { where: string; first: number },
): Promise<Record<string, unknown>[]> {
  try {
    return await parquetReadObjects({ file, compressors, useOffsetIndex: true, ...asked });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const [from, to] = [first + asked.rowStart, first + asked.rowEnd - 1];
    throw broken(`rows ${from} to ${to} cannot be read: ${why}`, where, cause);
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
