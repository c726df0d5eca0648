// A batch whose disk is full for a while: steps fail, are tried again, and nothing is lost or there twice. The disk is a small tmpfs, which
// only root may mount.

import { execFile } from "node:child_process";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { hasEnded, inputLines, openStage, submitBatch, textsOf, untilBatch } from "./stage.ts";

const run = promisify(execFile);
const MIB = 2 ** 20;

export interface FullDiskResult {
  records: number;
  /** Lines of the output that are missing, twice there, out of order, or of another text than undisturbed. */
  wrong: number;
  full_seconds: number;
}

/** Runs the same records twice; the second time the disk is full for some seconds. undefined where no disk can be mounted. */
export async function benchFullDisk(
  modelDir: string,
  options: { records: number; fullSeconds: number; maxNewTokens: number; say: (line: string) => void },
): Promise<FullDiskResult | undefined> {
  const { records, fullSeconds, maxNewTokens, say } = options;
  const folder = await mkdtemp(join(tmpdir(), "stepwise-small-disk-"));
  try {
    await run("mount", ["-t", "tmpfs", "-o", "size=48m", "tmpfs", folder]);
  } catch {
    await rm(folder, { recursive: true, force: true });
    say("full disk: skipped, no tmpfs can be mounted here");
    return undefined;
  }
  const stage = await openStage({ modelDir, folder, env: { BATCH_STEP_MS: "1000" } });
  try {
    const lines = inputLines(records, maxNewTokens);
    const client = () => stage.client;
    const first = await submitBatch(stage.client, lines);
    const expected = await textsOf(stage.client, await untilBatch(client, first.id, hasEnded));
    const second = await submitBatch(stage.client, lines);
    await untilBatch(client, second.id, (batch) => batch.request_counts.completed >= records / 4 || hasEnded(batch));
    await fill(join(folder, "filler"));
    say("the disk is full");
    await sleep(1000 * fullSeconds);
    await rm(join(folder, "filler"), { force: true });
    say("there is room again");
    const got = await textsOf(stage.client, await untilBatch(client, second.id, hasEnded));
    const wrong = expected.filter(([id, text], at) => got[at]?.[0] !== id || got[at]?.[1] !== text).length;
    return { records, wrong: wrong + Math.abs(got.length - records), full_seconds: fullSeconds };
  } finally {
    await stage.close().catch(() => undefined);
    await run("umount", ["-l", folder]).catch(() => undefined);
    await rm(folder, { recursive: true, force: true });
  }
}

/** Writes until there is no room. */
async function fill(path: string): Promise<void> {
  const file = await open(path, "w");
  try {
    for (let size = MIB; size >= 512; size /= 2) {
      const block = Buffer.alloc(size, 1);
      for (let isFull = false; !isFull; ) {
        isFull = await file.write(block).then(
          ({ bytesWritten }) => bytesWritten < size,
          () => true,
        );
      }
    }
  } finally {
    await file.close().catch(() => undefined);
  }
}
