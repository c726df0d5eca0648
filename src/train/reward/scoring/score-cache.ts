// Step scores kept beside the data, so that a rerun or a resumed run does not pay for them again: keyed by a hash of (judge, template, prompt,
// completion).

import { createHash } from "node:crypto";
import { z } from "zod";
import { openJsonlCache } from "../../io/jsonl-cache.ts";
import type { Completion } from "../judge/llm-reward-model.ts";

export interface ScoreCache {
  get(completion: Completion): number[] | undefined;
  put(scored: readonly { completion: Completion; stepScores: number[] }[]): Promise<void>;
}

/** Opens (or starts) the cache of one judge and template; `judgeKey` names both. */
export async function openScoreCache(path: string, judgeKey: string): Promise<ScoreCache> {
  const cache = await openJsonlCache(path, "step_scores", z.array(z.number()).min(1));
  const keyOf = ({ prompt, completion }: Completion): string =>
    createHash("sha256")
      .update(JSON.stringify([judgeKey, prompt, completion]))
      .digest("hex");
  return {
    get: (completion) => cache.get(keyOf(completion)),
    put: (scored) =>
      cache.put(scored.map(({ completion, stepScores }) => ({ key: keyOf(completion), value: stepScores }))),
  };
}
