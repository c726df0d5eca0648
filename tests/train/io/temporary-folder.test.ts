import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { makeTemporaryFolder } from "../../../src/train/io/temporary-folder.ts";

const COMMAND = fileURLToPath(new URL("./interrupted-process.ts", import.meta.url));

/** The first line that has `part`. */
async function lineWith(part: string, stream: Readable): Promise<string> {
  for await (const line of createInterface({ input: stream })) if (line.includes(part)) return line;
  throw new Error(`it ended without "${part}"`);
}

async function start(how: string): Promise<{ child: ChildProcess & { stderr: Readable }; dir: string }> {
  const child = spawn(process.execPath, ["--import", "tsx", COMMAND, how], { stdio: ["ignore", "pipe", "pipe"] });
  const dir = await lineWith("stepwise-test-", child.stdout);
  expect(existsSync(dir)).toBe(true);
  return { child, dir };
}

test("a removed folder is gone with its files, and no listener is left", async () => {
  const before = process.listenerCount("exit");
  const { dir, remove } = await makeTemporaryFolder("stepwise-test-");
  await writeFile(join(dir, "file"), "text");
  expect(process.listenerCount("exit")).toBe(before + 1);
  await remove();
  expect([existsSync(dir), process.listenerCount("exit")]).toEqual([false, before]);
});

test("a second signal ends a command that saves, and its folder", async () => {
  const { child, dir } = await start("saves");
  const ended = once(child, "exit");
  child.kill("SIGINT");
  await lineWith("press Ctrl-C again to stop at once", child.stderr);
  child.kill("SIGTERM");
  expect(await ended).toEqual([130, null]);
  expect(existsSync(dir)).toBe(false);
});

test("the first ends one that has nothing to save", async () => {
  const { child, dir } = await start("ends");
  const ended = once(child, "exit");
  child.kill("SIGINT");
  expect(await ended).toEqual([130, null]);
  expect(existsSync(dir)).toBe(false);
});
