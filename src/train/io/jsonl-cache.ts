// Values that are dear to compute, kept beside the data by key, so that a rerun or a resumed run does not pay for them again. One JSON line
// a value, {"key": ..., "<field>": ...}; a line cut by a kill counts as absent.

import { appendFile, mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";

export interface JsonlCache<T> {
  get(key: string): T | undefined;
  /** Adds what is not known yet, in one write. */
  put(entries: readonly { key: string; value: T }[]): Promise<void>;
}

/** Opens (or starts) the cache file whose lines hold values under `field`. */
export async function openJsonlCache<T>(path: string, field: string, schema: z.ZodType<T>): Promise<JsonlCache<T>> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  const known = new Map<string, T>();
  for (const line of text.split("\n")) {
    const entry = line === "" ? undefined : parsedLine(line, field, schema);
    if (entry !== undefined) known.set(entry.key, entry.value);
  }
  await mkdir(dirname(path), { recursive: true });
  if (text !== "" && !text.endsWith("\n")) await appendFile(path, "\n");
  return {
    get: (key) => known.get(key),
    async put(entries) {
      const fresh = entries.filter(({ key }) => !known.has(key));
      for (const { key, value } of fresh) known.set(key, value);
      const lines = fresh.map(({ key, value }) => `${JSON.stringify({ key, [field]: value })}\n`);
      if (lines.length > 0) await appendFile(path, lines.join(""));
    },
  };
}

const keyedSchema = z.looseObject({ key: z.string() });

/** undefined: a line cut by a kill. */
function parsedLine<T>(line: string, field: string, schema: z.ZodType<T>): { key: string; value: T } | undefined {
  try {
    const { key, [field]: value } = keyedSchema.parse(JSON.parse(line));
    return { key, value: schema.parse(value) };
  } catch {
    return undefined;
  }
}
