// Log-probs of a frozen model kept beside the data, so that a rerun or a resumed run does not compute them again. One JSON line a
// completion; a half-written last line is ignored.

import { appendFile, mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";

/** Sums are kept as numbers, log-probs by token as lists. */
const lineSchema = z.object({ key: z.string(), logp: z.union([z.number(), z.array(z.number())]) });

type Kept = number | number[];

export interface LogpsCache {
  get(key: string): Kept | undefined;
  put(entries: readonly { key: string; logp: Kept }[]): Promise<void>;
}

/** Opens (or starts) the cache file. */
export async function openLogpsCache(path: string): Promise<LogpsCache> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  const known = new Map<string, Kept>();
  for (const line of text.split("\n")) {
    if (line === "") continue;
    try {
      const { key, logp } = lineSchema.parse(JSON.parse(line));
      known.set(key, logp);
    } catch {
      // a line cut by a kill: that completion is computed again
    }
  }
  await mkdir(dirname(path), { recursive: true });
  if (text !== "" && !text.endsWith("\n")) await appendFile(path, "\n");
  return {
    get: (key) => known.get(key),
    async put(entries) {
      const fresh = entries.filter(({ key }) => !known.has(key));
      for (const { key, logp } of fresh) known.set(key, logp);
      if (fresh.length > 0) await appendFile(path, fresh.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
    },
  };
}
