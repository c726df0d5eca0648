// Parquet files whose row groups are large, as pandas writes them, and without an index of their pages: read in parts, each column's chunk a
// few times at most, and refused where a chunk would not fit into memory.

import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileWriter, ParquetWriter } from "hyparquet-writer";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readParquet } from "../../../../src/train/data/files/parquet.ts";

const ROWS = 6_000;
let dir = "";
let path = "";
const row = (i: number): string[] => [`question ${i} ${"why ".repeat(20)}`, `answer ${i}`];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "groups-"));
  path = join(dir, "one-group.parquet");
  const schema: ConstructorParameters<typeof ParquetWriter>[0]["schema"] = [
    { name: "root", num_children: 1 },
    { name: "turns", converted_type: "LIST", repetition_type: "OPTIONAL", num_children: 1 },
    { name: "list", repetition_type: "REPEATED", num_children: 1 },
    { name: "element", type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "OPTIONAL" },
  ];
  const writer = fileWriter(path);
  const parquet = new ParquetWriter({ writer, schema });
  const data = Array.from({ length: ROWS }, (_, i) => row(i));
  await parquet.write({ columnData: [{ name: "turns", data, offsetIndex: false }], rowGroupSize: ROWS });
  await parquet.finish();
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function read(limits?: Parameters<typeof readParquet>[1]): Promise<{ count: number; last: unknown }> {
  let [count, last] = [0, undefined as unknown];
  for await (const item of readParquet(path, limits)) {
    if ("value" in item && count % 997 === 0)
      expect(item).toEqual({ value: { turns: row(count) }, where: `${path} row ${count}` });
    count += 1;
    last = item;
  }
  return { count, last };
}

test("rows are the same in one part and in many", async () => {
  const last = { value: { turns: row(ROWS - 1) }, where: `${path} row ${ROWS - 1}` };
  expect(await read()).toEqual({ count: ROWS, last });
  expect(await read({ partBytes: 100_000, chunkBytes: 1e9 })).toEqual({ count: ROWS, last });
});

test.skipIf(!existsSync("/proc/self/io"))("a group of a few megabytes is read from disk once", async () => {
  const bytesRead = (): number => Number(/^rchar: (\d+)/m.exec(readFileSync("/proc/self/io", "utf8"))?.[1]);
  const before = bytesRead();
  await read();
  expect(bytesRead() - before).toBeLessThan(3 * (await stat(path)).size + 100_000);
});

test("a chunk that would not fit is refused, with its column, its group and what to do", async () => {
  await expect(read({ partBytes: 1e6, chunkBytes: 1_000 })).rejects.toMatchObject({
    code: "large_row_group",
    what: expect.stringMatching(
      /^column "turns\.list\.element" has \d+ MB in one row group without an index of its pages/,
    ),
    where: `${path}, row group 0`,
    fix: expect.stringContaining("row_group_size=10000"),
  });
});
