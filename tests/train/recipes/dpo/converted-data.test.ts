import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { resolveTrainConfig } from "../../../../src/train/recipes/dpo/config.ts";
import { withConvertedData } from "../../../../src/train/recipes/dpo/converted-data.ts";

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "converted-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

test("each way of reading has a folder of its own, made once", async () => {
  const file = join(root, "part.jsonl");
  const rows = Array.from({ length: 20 }, (_, i) => ({ prompt: `p${i}`, chosen: "a", rejected: "b", other: "c" }));
  await writeFile(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const settings = { data: "me/pairs", outputDir: join(root, "out") };
  const convert = (columns?: string) =>
    withConvertedData(resolveTrainConfig(undefined, { ...settings, columns }), [file], () => {});
  const first = await convert();
  const train = join(first.data, "train.jsonl");
  const before = [await readFile(train, "utf8"), (await stat(train)).ino];
  const second = await convert("rejected=other");
  expect(second.data).not.toBe(first.data);
  expect(JSON.parse((await readFile(join(second.data, "train.jsonl"), "utf8")).split("\n")[0] ?? "")).toMatchObject({
    rejected: "c",
  });
  expect(await convert()).toEqual(first);
  expect([await readFile(train, "utf8"), (await stat(train)).ino]).toEqual(before);
  expect(first).toMatchObject({ format: null, columns: null, split: null });
});
