import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { removeLeftFolders } from "../../../../src/train/onnx/decode/decoder-files.ts";

test("folders of processes that are gone are deleted, those of others stay", async () => {
  const folderOf = (host: string, pid: number) => mkdtemp(join(tmpdir(), `stepwise-decoder-${host}-${pid}-`));
  const { pid: gone = 0 } = spawnSync("true");
  const child = spawn("sleep", ["600"]);
  const folders = [
    await folderOf(hostname(), gone),
    await folderOf(hostname(), child.pid ?? 0),
    await folderOf(`${hostname()}-other`, gone),
  ];
  await removeLeftFolders();
  expect(folders.map((folder) => existsSync(folder))).toEqual([false, true, true]);
  child.kill("SIGKILL");
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});
