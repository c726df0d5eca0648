// Step scores kept beside the data, so that a rerun or a resumed run does not pay for them again. One JSON line a completion,
// keyed by a hash of (judge, template, prompt, completion); a half-written last line is ignored.

import { createHash } from "node:crypto";
import { appendFile, mkdir, readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import type { Completion } from "../judge/llm-reward-model.ts";

const lineSchema = z.object({ key: z.string(), step_scores: z.array(z.number()).min(1) });

export interface ScoreCache {
  get(completion: Completion): number[] | undefined;
  put(scored: readonly { completion: Completion; stepScores: number[] }[]): Promise<void>;
}

/** Opens (or starts) the cache of one judge and template; `judgeKey` names both. */
export async function openScoreCache(path: string, judgeKey: string): Promise<ScoreCache> {
  const keyOf = ({ prompt, completion }: Completion): string =>
    createHash("sha256")
      .update(JSON.stringify([judgeKey, prompt, completion]))
      .digest("hex");
  const known = new Map<string, number[]>();
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  for (const line of text.split("\n")) {
    if (line === "") continue;
    try {
      const { key, step_scores } = lineSchema.parse(JSON.parse(line));
      known.set(key, step_scores);
    } catch {
      // a line cut by a kill: that completion is scored again
    }
  }
  await mkdir(dirname(path), { recursive: true });
  if (text !== "" && !text.endsWith("\n")) await appendFile(path, "\n");
  return {
    get: (completion) => known.get(keyOf(completion)),
    async put(scored) {
      const lines = scored.map(({ completion, stepScores }) => {
        const key = keyOf(completion);
        known.set(key, stepScores);
        return `${JSON.stringify({ key, step_scores: stepScores })}\n`;
      });
      if (lines.length > 0) await appendFile(path, lines.join(""));
    },
  };
}
