// One run at a time in a folder: refused while the other process lives, taken over when it does not.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { makeFolder } from "../../../../src/train/io/make-folder.ts";
import { LOCK_FILE, withRunLock } from "../../../../src/train/recipes/run/run-lock.ts";

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "run-lock-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const lock = (dir: string, holder: object) => writeFile(join(dir, LOCK_FILE), JSON.stringify(holder));
const idle = async () => {};

test("a second run of the same process is refused, and the lock goes with the first", async () => {
  const dir = join(root, "own");
  await withRunLock(dir, async () => {
    expect(existsSync(join(dir, LOCK_FILE))).toBe(true);
    await expect(withRunLock(dir, idle)).rejects.toMatchObject({ code: "run_in_progress", where: dir });
    await writeFile(join(dir, "model"), "x");
  });
  expect(await readdir(dir)).toEqual(["model"]);
});

test("another process that lives is named; once it is dead the folder is free", async () => {
  const dir = join(root, "other");
  await makeFolder(dir);
  const child = spawn("sleep", ["600"]);
  await lock(dir, { pid: child.pid, host: hostname(), began: null });
  await expect(withRunLock(dir, idle)).rejects.toThrow(`a run is being written there by process ${child.pid} (${dir})`);
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await gone;
  expect(await withRunLock(dir, async () => "done")).toBe("done");
});

test("a process that is about to end is waited for", async () => {
  const dir = join(root, "ending");
  await makeFolder(dir);
  const child = spawn("sleep", ["0.5"]);
  await lock(dir, { pid: child.pid, host: hostname(), began: null });
  expect(await withRunLock(dir, async () => "done")).toBe("done");
});

test.skipIf(!existsSync("/proc/self/stat"))(
  "a process that has ended and that nobody has asked how is dead",
  async () => {
    const dir = join(root, "zombie");
    await makeFolder(dir);
    // the shell becomes a process that never asks
    const parent = spawn("sh", ["-c", "sleep 0 & echo $!; exec sleep 600"]);
    const pid = await new Promise<number>((resolve) => parent.stdout.once("data", (line) => resolve(Number(line))));
    await expect.poll(() => readFileSync(`/proc/${pid}/stat`, "utf8").includes(" Z ")).toBe(true);
    await lock(dir, { pid, host: hostname(), began: null });
    expect(await withRunLock(dir, async () => "done")).toBe("done");
    parent.kill("SIGKILL");
  },
);

test.skipIf(!existsSync("/proc/self/stat"))("a number that another process has now is no lock", async () => {
  const dir = join(root, "again");
  await makeFolder(dir);
  await lock(dir, { pid: process.ppid, host: hostname(), began: "1" });
  expect(await withRunLock(dir, async () => "done")).toBe("done");
});

test("another machine's lock is left to its owner", async () => {
  const dir = join(root, "far");
  await makeFolder(dir);
  const { pid = 1 } = spawnSync("true");
  await lock(dir, { pid, host: "elsewhere", began: null });
  await expect(withRunLock(dir, idle)).rejects.toThrow(/process \d+ of elsewhere.*If it is gone, delete .*\.run\.lock/);
});

test("a run that fails leaves no folder that it made, and one that cannot be made is refused", async () => {
  await expect(withRunLock(join(root, "a", "b"), () => Promise.reject(new Error("no data")))).rejects.toThrow(
    "no data",
  );
  expect(existsSync(join(root, "a"))).toBe(false);
  await writeFile(join(root, "file"), "");
  await expect(withRunLock(join(root, "file"), idle)).rejects.toThrow(/it is a file, not a folder .*--output/);
  await expect(withRunLock(join(root, "file", "x"), idle)).rejects.toThrow(/file is a file/);
});

test.skipIf(!existsSync("/proc/self"))("a place below /proc is refused at once", async () => {
  await expect(withRunLock("/proc/stepwise/out", idle)).rejects.toMatchObject({ code: "cannot_write" });
});
