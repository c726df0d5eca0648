// The records of a data file of any kind, one after the other: JSON, JSON Lines, CSV, TSV, each as it is or gzip, and Parquet.

import { stat } from "node:fs/promises";
import { InputError } from "../../../shared/errors.ts";
import { readCsv } from "./csv.ts";
import { readJson, withoutSplits } from "./json.ts";
import { readJsonLines } from "./json-lines.ts";
import { openBytes, startsWith } from "./open-bytes.ts";
import { PARQUET_MAGIC, readParquet } from "./parquet.ts";
import type { RawItem } from "./raw-record.ts";

/** What is read of a file that holds several splits. */
export interface FileOptions {
  /** Its name; refused where the file has none. By default the split "train". */
  split?: string | undefined;
}

/** All records. Throws InputError when the file is missing, empty, damaged, or holds no list of records. */
export async function* openRecords(path: string, { split }: FileOptions = {}): AsyncGenerator<RawItem> {
  const info = await stat(path).catch((cause: unknown) => {
    throw new InputError({
      code: "file_not_found",
      what: "there is no such file",
      where: path,
      fix: "Check the path.",
      cause,
    });
  });
  if (!info.isFile())
    throw new InputError({ code: "not_a_file", what: "not a file", where: path, fix: "Name one data file." });
  let isEmpty = true;
  for await (const item of await itemsOf(path, split)) {
    isEmpty = false;
    yield item;
  }
  if (isEmpty) {
    throw new InputError({
      code: "empty_file",
      what: "the file holds no records",
      where: path,
      fix: "Put one JSON object on each line.",
    });
  }
}

async function itemsOf(path: string, split: string | undefined): Promise<AsyncIterable<RawItem>> {
  if (await startsWith(path, PARQUET_MAGIC)) return withoutSplits(readParquet(path), path, split);
  const name = path.replace(/\.gz$/i, "");
  if (/\.parquet$/i.test(name)) {
    const fix = "Copy or download the file again; Git LFS pointers must be pulled.";
    throw new InputError({ code: "broken_parquet", what: "the file does not begin as Parquet does", where: path, fix });
  }
  if (/\.(jsonl|ndjson)$/i.test(name)) {
    return withoutSplits(readJsonLines(openBytes(path), path), path, split);
  }
  if (/\.csv$/i.test(name)) return withoutSplits(readCsv(path, ","), path, split);
  return /\.tsv$/i.test(name) ? withoutSplits(readCsv(path, "\t"), path, split) : readJson(path, split);
}
