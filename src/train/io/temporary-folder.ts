// A folder in the system's temporary one that goes with the process, however that exits, if not before. A process that is killed leaves it.

import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface TemporaryFolder {
  dir: string;
  /** Deletes it with what lies there. */
  remove(): Promise<void>;
}

/** Makes a folder whose name begins with `prefix`. The caller removes it. */
export async function makeTemporaryFolder(prefix: string): Promise<TemporaryFolder> {
  const dir = await mkdtemp(join(tmpdir(), prefix));
  const atExit = (): void => {
    try {
      rmSync(dir, { recursive: true, force: true });
    } catch {
      // a file that is open cannot be deleted on every system; the exit code is the run's
    }
  };
  process.once("exit", atExit);
  return {
    dir,
    async remove() {
      await rm(dir, { recursive: true, force: true });
      process.off("exit", atExit);
    },
  };
}
