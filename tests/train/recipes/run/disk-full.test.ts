// A disk that is full during the steps: a plain error, and nothing half-written that takes more of its space. /dev/full refuses every
// write as a full disk does.

import { closeSync, existsSync, openSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { failureLine } from "../../../../scripts/cli.ts";
import { appendSync } from "../../../../src/train/io/append-sync.ts";
import { saveCheckpoint } from "../../../../src/train/recipes/run/checkpoint.ts";

const hasFull = existsSync("/dev/full");

function caught(work: () => void): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}

test.skipIf(!hasFull)("a log that cannot grow names its file and how to go on", () => {
  const fd = openSync("/dev/full", "a");
  const error = caught(() => appendSync(fd, "{}\n", "out/metrics.jsonl"));
  closeSync(fd);
  expect(error).toMatchObject({
    code: "disk_full",
    where: "out/metrics.jsonl",
    fix: expect.stringContaining("--resume"),
  });
});

test("a full disk within a checkpoint leaves no half of it, and the one before", async () => {
  const dir = await mkdtemp(join(tmpdir(), "full-"));
  const optimizer = { step: 1, moments: {} };
  await saveCheckpoint(dir, 1, { save: async () => {}, optimizer, state: {} });
  const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC", syscall: "write" });
  const save = async (): Promise<void> => Promise.reject(full);
  await expect(saveCheckpoint(dir, 2, { save, optimizer, state: {} })).rejects.toMatchObject({
    code: "disk_full",
    where: join(dir, "checkpoint-2"),
  });
  expect(await readdir(dir)).toEqual(["checkpoint-1"]);
  await rm(dir, { recursive: true });
});

test.skipIf(!hasFull)(
  "a full disk met anywhere else is one line too, though a write to an open file has no path",
  async () => {
    const { writeSync } = await import("node:fs");
    const fd = openSync("/dev/full", "a");
    const error = caught(() => writeSync(fd, "x"));
    closeSync(fd);
    expect(failureLine(error)).toBe("error: ENOSPC: no space left on device, write. Free some space.");
  },
);
