// The input of a batch, read piece by piece.

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { countPairs, readPairs, recordsOf } from "../../src/infer/read-pairs.ts";

let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "read-pairs-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const line = (prompt: string) => JSON.stringify({ prompt, chosen: "a", rejected: "b" });
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

async function write(name: string, text: string): Promise<string> {
  const file = join(dir, name);
  await writeFile(file, text);
  return file;
}

async function promptsOf(file: string, hash: string, limit = Number.POSITIVE_INFINITY): Promise<string[]> {
  const prompts: string[] = [];
  for await (const { pair } of recordsOf(file, limit, hash)) prompts.push(pair.prompt);
  return prompts;
}

test("records and lines are counted, blank lines aside, whatever pieces the file comes in", async () => {
  // more than a piece, of characters of three bytes that a piece may cut
  const long = "日".repeat(200_000);
  const text = `\ufeff${line(long)}\r\n\n{"prompt": 1}\n${line("second")}\nnot JSON\n${line("last")}`;
  const file = await write("odd.jsonl", text);
  const { records, unusable, sha256: hash } = await readPairs(file);
  expect(records.map(({ index, line: number, pair }) => [index, number, pair.prompt])).toEqual([
    [0, 1, long],
    [2, 4, "second"],
    [4, 6, "last"],
  ]);
  expect(unusable.map(({ line: number }) => number)).toEqual([3, 5]);
  expect(hash).toBe(sha256(text));
  expect(await countPairs(file)).toEqual({ count: 3, unusable, sha256: hash });
  expect(await promptsOf(file, hash)).toEqual([long, "second", "last"]);
});

test("a limit leaves the rest unread, and the file's hash is that of the whole", async () => {
  const text = `${line("first")}\nnot JSON\n${line("third")}\n`;
  const file = await write("limited.jsonl", text);
  expect(await countPairs(file, 2)).toMatchObject({ count: 1, unusable: [{ line: 2 }], sha256: sha256(text) });
  expect(await promptsOf(file, sha256(text), 2)).toEqual(["first"]);
});

test("a line that no worker would take is a record that cannot be used", async () => {
  const file = await write("wide.jsonl", `${line("x".repeat(2 ** 24))}\n${line("next")}\n`);
  const { records, unusable } = await readPairs(file);
  expect(records.map(({ line: number, index }) => [number, index])).toEqual([[2, 1]]);
  expect(unusable).toEqual([{ line: 1, error: "longer than 16777216 characters" }]);
});

test("a file that is changed between two readings is not taken for the same", async () => {
  const file = await write("changed.jsonl", line("before"));
  const { sha256: hash } = await countPairs(file);
  await writeFile(file, line("after"));
  await expect(promptsOf(file, hash)).rejects.toThrow(
    /the input was changed while the command ran \(.*changed\.jsonl\)/,
  );
});

test.each([
  ["", "the input holds no record"],
  ["{}\n", "no line is a usable pair"],
])("without a usable record it is refused: %j", async (text, message) => {
  await expect(countPairs(await write("none.jsonl", text))).rejects.toThrow(message);
});

test("a file that is not there is named", async () => {
  await expect(readPairs(join(dir, "nowhere"))).rejects.toThrow(/does not exist \(.*nowhere\)/);
});

test("128 MB are counted by a process whose heap has 64", async () => {
  const file = join(dir, "large.jsonl");
  const handle = await open(file, "w");
  const piece = `${line("x".repeat(2 ** 16))}\n`.repeat(16);
  for (let i = 0; i < 128; i++) await handle.write(piece);
  await handle.close();
  const module = new URL("../../src/infer/read-pairs.ts", import.meta.url).href;
  const script = `import { countPairs } from ${JSON.stringify(module)};
    console.log((await countPairs(${JSON.stringify(file)})).count);`;
  const args = ["--max-old-space-size=64", "--import", "tsx", "--input-type=module", "--eval", script];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(stdout.trim()).toBe("2048");
});
