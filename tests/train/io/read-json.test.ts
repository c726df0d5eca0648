// A broken JSON file is told by the line and the column at which it breaks.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readJson } from "../../../src/train/io/read-json.ts";

let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "read-json-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const MEND = { fix: "Write it." };

test("names line and column of what cannot stand there", async () => {
  const path = join(dir, "settings.json");
  await writeFile(path, '{\n "a": 1,\n "b" 4\n}\n');
  await expect(readJson(path, MEND)).rejects.toThrow(
    `settings.json is not JSON from column 6 of line 3 on (${path}:3). Mend or restore the file.`,
  );
});

test("a file that is cut off breaks at its end", async () => {
  const path = join(dir, "cut.json");
  await writeFile(path, '{\n "a": [1,');
  await expect(readJson(path, MEND)).rejects.toThrow(/from column 10 of line 2 on/);
});

test("reads what is whole, and says what to do about what is not there", async () => {
  const path = join(dir, "whole.json");
  await writeFile(path, '{"a":[1,2]}');
  expect(await readJson(path, MEND)).toEqual({ a: [1, 2] });
  await expect(readJson(join(dir, "none.json"), MEND)).rejects.toThrow(/none.json cannot be read .+ Write it\./);
});
