// Files of every kind, whole and broken: what is read of them, and what each broken one is told.

import { createReadStream } from "node:fs";
import { cp, mkdtemp, open, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { documentValues, outlineOf, parseValue } from "../../../../src/train/data/files/json-document.ts";
import { parseLenientJson } from "../../../../src/train/data/files/lenient-json.ts";
import { linesOf } from "../../../../src/train/data/files/lines.ts";
import { type FileOptions, openRecords } from "../../../../src/train/data/files/open-records.ts";
import type { RawItem } from "../../../../src/train/data/files/raw-record.ts";
import { KeyTable } from "../../../../src/train/data/pairs/key-table.ts";
import { readPairs } from "../../../../src/train/data/pairs/read-pairs.ts";

const shipped = (name: string): string => fileURLToPath(new URL(`../../../data/${name}`, import.meta.url));

let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "files-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function file(name: string, content: string | Uint8Array): Promise<string> {
  await writeFile(join(dir, name), content);
  return join(dir, name);
}

async function items(path: string, options?: FileOptions): Promise<RawItem[]> {
  const all: RawItem[] = [];
  for await (const item of openRecords(path, options)) all.push(item);
  return all;
}
const values = async (path: string, options?: FileOptions): Promise<unknown[]> =>
  (await items(path, options)).map((item) => ("value" in item ? item.value : item.reason));

const SCORED = [
  { chosen_score: 0.9, rejected_score: 0.2 },
  { chosen_score: 0.8, rejected_score: 0.1 },
];

describe("records are read from", () => {
  test.each(["pairs.jsonl.gz", "pairs.csv", "splits.json"])("%s", async (name) => {
    const { pairs, dropped } = await readPairs(shipped(name));
    expect(dropped).toEqual([]);
    expect(pairs).toMatchObject(SCORED);
    expect(pairs[0]?.chosen).toBe("6 * 2 = 12\nA: 12");
  });

  test.each(["pairs.tsv", "pairs.csv", "pairs.jsonl.gz", "ultrafeedback-zstd.parquet"])(
    "%s, which has no splits, but not where one is asked for",
    async (name) => {
      await expect(items(shipped(name), { split: "test" })).rejects.toMatchObject({
        code: "no_splits",
        what: expect.stringContaining('no split "test"'),
        fix: expect.stringContaining("Leave --split out"),
      });
    },
  );

  test("a list under a name that is no split, but not where a split is asked for", async () => {
    const list = await file("list.json", '[{"prompt": "q", "chosen": "a", "rejected": "b"}]');
    await expect(items(list, { split: "train" })).rejects.toMatchObject({ code: "no_splits" });
    const named = await file("named.json", '{"data": [{"prompt": "q", "chosen": "a", "rejected": "b"}]}');
    await expect(items(named, { split: "test" })).rejects.toMatchObject({ code: "no_splits" });
    expect(await items(named)).toHaveLength(1);
  });

  test("CSV with a score for every step, and JSON Lines named .json whose first record has a NaN", async () => {
    const scores = "prompt,chosen,rejected,chosen_step_scores,rejected_step_scores\nq,a,b,[0.5],[0.25]\n";
    expect((await readPairs(await file("steps.csv", scores))).pairs).toMatchObject([
      { chosen_step_scores: [0.5], rejected_step_scores: [0.25] },
    ]);
    const lines =
      '{"prompt": "q", "chosen": "a", "rejected": "b", "weight": NaN}\n{"prompt": "q", "chosen": "a", "rejected": "c"}\n';
    expect((await readPairs(await file("lines.json", lines))).pairs).toHaveLength(2);
  });

  test("pairs.tsv, and a file with a byte order mark", async () => {
    expect((await readPairs(shipped("pairs.tsv"))).pairs).toMatchObject([{ chosen: "A: 12", rejected: "A: 8" }]);
    expect((await readPairs(shipped("bom.jsonl"))).pairs).toMatchObject([SCORED[0]]);
  });

  test.each(["snappy", "zstd", "gzip"])(
    "Parquet with pages in %s, nested lists of structs, several row groups",
    async (codec) => {
      const { pairs, recordsRead } = await readPairs(shipped(`ultrafeedback-${codec}.parquet`));
      expect(recordsRead).toBe(5);
      expect(pairs.map(({ prompt }) => prompt.slice(-3))).toEqual(["(0)", "(1)", "(2)", "(3)", "(4)"]);
      expect(pairs[4]).toMatchObject({ chosen: "6 * 2 = 12\nA: 12", chosen_score: 8.5, rejected_score: 4 });
    },
  );

  test("another split of a document, and the only one that is asked for", async () => {
    expect(await values(shipped("splits.json"), { split: "test" })).toHaveLength(1);
    await expect(values(shipped("splits.json"), { split: "dev" })).rejects.toThrow(
      `no split "dev" (${shipped("splits.json")}). It has lists under train, test: name one with --split.`,
    );
  });
});

test("NaN and Infinity are read as what they are, and refused only where a number is needed", async () => {
  const { pairs, dropped } = await readPairs(shipped("nan.jsonl"));
  expect(pairs).toMatchObject([SCORED[0]]);
  expect(dropped).toMatchObject([{ reason: "bad_score", what: '"chosen_score" is NaN, "rejected_score" 0.1' }]);
  expect(parseLenientJson('{"a": NaN, "b": [-Infinity, "NaN \\"Infinity"], "c": Infinity}')).toEqual({
    a: Number.NaN,
    b: [Number.NEGATIVE_INFINITY, 'NaN "Infinity'],
    c: Number.POSITIVE_INFINITY,
  });
  expect(() => parseLenientJson('{"a": NaNa}')).toThrow(SyntaxError);
});

describe("a broken file says what, where and how to mend it", () => {
  const bad = async (path: string): Promise<string> =>
    items(path).then(
      () => "read",
      (error: Error) => error.message.replace(dir, "DIR"),
    );

  test("UTF-16 by its name, with a mark and without", async () => {
    expect(await bad(shipped("utf16.jsonl"))).toMatch(/^the file is UTF-16LE, not UTF-8 .*iconv -f UTF-16LE -t UTF-8/);
    expect(await bad(await file("be.csv", Buffer.from("prompt,chosen", "utf16le").swap16()))).toContain("UTF-16BE");
  });

  test("gzip that is cut off, and a gzip bomb", async () => {
    const whole = await readFile(shipped("pairs.jsonl.gz"));
    expect(await bad(await file("cut.jsonl.gz", whole.subarray(0, 150)))).toMatch(
      /^the gzip file is damaged or cut off after \d+ bytes of text \(DIR\/cut\.jsonl\.gz\)/,
    );
    const zeros = gzipSync(Buffer.alloc(80 * 2 ** 20, " "));
    expect(await bad(await file("long.jsonl.gz", zeros))).toMatch(/^a record is larger than 64 MiB \(DIR.*, line 1\)/);
    // 272 MiB in lines that are records, a mebibyte each, on a disk 0.3 MB: gzip files may be joined
    const record = gzipSync(`${JSON.stringify({ prompt: " ".repeat(2 ** 20 - 14) })}\n`);
    const bomb = await file("bomb.jsonl.gz", Buffer.concat(Array.from({ length: 272 }, () => record)));
    expect((await stat(bomb)).size).toBeLessThan(400_000);
    expect(await bad(bomb)).toMatch(
      /^\d+ bytes unpack to more than 268\d{6}: this is no data file \(DIR\/bomb\.jsonl\.gz\)/,
    );
  });

  test("Parquet that is cut in the middle, and a row group that is damaged", async () => {
    const path = join(dir, "cut.parquet");
    await cp(shipped("ultrafeedback-zstd.parquet"), path);
    const { size } = await stat(path);
    await truncate(path, Math.floor(size / 2));
    expect(await bad(path)).toMatch(/^the Parquet file is cut off or damaged: its end.*DIR\/cut\.parquet/);
    const damaged = join(dir, "damaged.parquet");
    await cp(shipped("ultrafeedback-snappy.parquet"), damaged);
    const handle = await open(damaged, "r+");
    await handle.write(Buffer.alloc(300, 0xff), 0, 300, Math.floor(size / 3));
    await handle.close();
    expect(await bad(damaged)).toMatch(/^rows \d to \d cannot be read: .*\(DIR\/damaged\.parquet, row group [012]\)/);
    expect(await bad(await file("none.parquet", "version https://git-lfs"))).toContain(
      "does not begin as Parquet does",
    );
  });

  test("a ragged row of CSV is left out with its line, the others are kept", async () => {
    const path = await file("ragged.csv", 'prompt,chosen,rejected\nq,a,b\nr,"a\nA: 1"\ns,c,d,e\nt,"x, y",z\n');
    const { pairs, dropped } = await readPairs(path);
    expect(pairs.map(({ prompt }) => prompt)).toEqual(["q", "t"]);
    expect(dropped.map(({ where, what }) => `${where.slice(dir.length + 1)} ${what}`)).toEqual([
      "ragged.csv:3 the row has 2 cells, the header 3",
      "ragged.csv:5 the row has 4 cells, the header 3",
    ]);
  });

  test("CSV with a quote that never ends, or a header with a name twice", async () => {
    expect(await bad(await file("quote.csv", 'prompt,chosen\n"q,a\n'))).toMatch(
      /^the file is not CSV: .*DIR\/quote.csv, line 2/,
    );
    expect(await bad(await file("twice.csv", "prompt,prompt\na,b\n"))).toContain('names the column "prompt" twice');
  });

  test.each([
    ['[\n{"a": 1},\n  {"a" 2}]', "line 3, column 8"],
    ['[{"a": 1}', "line 1"],
    ['{"records": [1, 2}', "brackets do not match"],
    ["[1] 2", "goes on after its end"],
    ["hello", "neither a list nor an object"],
  ])("JSON %j", async (text, message) => {
    const error = await bad(await file("broken.json", text));
    expect(error).toContain("the file is not JSON");
    expect(error).toContain(message);
  });
});

describe("texts are cut", () => {
  async function* chunksOf(text: string, size: number): AsyncGenerator<Buffer> {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }

  test("into the same values of a JSON document, wherever its chunks end", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.jsonValue()),
        fc.integer({ min: 1, max: 40 }),
        fc.nat(3),
        async (list, size, indent) => {
          for (const field of [undefined, "rows"]) {
            const document = field === undefined ? list : { first: { a: [']}\\"'] }, rows: list, last: [1, [2]] };
            const text = JSON.stringify(document, null, indent);
            const read: unknown[] = [];
            for await (const value of documentValues(chunksOf(text, size), "f", field))
              read.push(parseValue(value, "f"));
            expect(read).toEqual(JSON.parse(JSON.stringify(list)));
            const outline = await outlineOf(chunksOf(text, size), "f");
            expect(outline).toEqual(
              field === undefined
                ? "list"
                : new Map([
                    ["first", "value"],
                    ["rows", "list"],
                    ["last", "list"],
                  ]),
            );
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test("into lines, wherever its chunks end", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.stringMatching(/^[^\n]*$/)), fc.integer({ min: 1, max: 9 }), async (lines, size) => {
        const read: string[] = [];
        for await (const line of linesOf(chunksOf(lines.map((line) => `${line}\n`).join(""), size), "f"))
          read.push(line);
        expect(read).toEqual(lines.map((line) => Buffer.from(line).toString()));
      }),
    );
  });

  test("and read from disk in pieces", async () => {
    const path = await file("pieces.txt", "a\nbb\nccc");
    const read: string[] = [];
    for await (const line of linesOf(createReadStream(path, { highWaterMark: 2 }), path)) read.push(line);
    expect(read).toEqual(["a", "bb", "ccc"]);
  });
});

test("a table of keys numbers distinct texts, as a map does", () => {
  const table = new KeyTable();
  const map = new Map<string, number>();
  for (let i = 0; i < 20_000; i++) {
    const text = `text ${(i * 7919) % 6007}`;
    const known = map.get(text);
    if (known === undefined) map.set(text, map.size);
    expect(table.add(text)).toEqual({ number: known ?? map.size - 1, isNew: known === undefined });
  }
  expect(table.size).toBe(6007);
});
