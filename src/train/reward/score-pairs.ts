// Scores both sides of every pair once, through the cache; given scores are taken as they are. A step-level pair is scored as the whole
// solution, its prefix first, so that the judge sees the context; the score is that of the continuation's steps.

import { type Aggregation, aggregateScores } from "../../shared/aggregate.ts";
import type { Pair } from "../../shared/records.ts";
import { splitSteps } from "../../shared/steps.ts";
import type { Completion } from "./llm-reward-model.ts";
import type { RewardModel } from "./reward-model.ts";
import type { ScoreCache } from "./score-cache.ts";

export interface PairScores {
  chosen: number;
  rejected: number;
}

/** Completions handed to the reward model at once: what a kill loses at most. */
const CHUNK = 128;

/** Whether a pair brings its own scores. */
export function hasGivenScores(pair: Pair): boolean {
  return pair.chosen_score !== undefined && pair.rejected_score !== undefined;
}

/** Scores in the order of the pairs. `load` is called only when something is not in the cache. */
export async function scorePairs(options: {
  pairs: readonly Pair[];
  cache: ScoreCache;
  load: () => Promise<RewardModel>;
  aggregation: Aggregation;
  onProgress?: (done: number, total: number) => void;
}): Promise<PairScores[]> {
  const { pairs, cache, aggregation } = options;
  const whole = ({ prompt, prefix }: Pair, completion: string): Completion => ({
    prompt,
    completion: prefix === undefined ? completion : `${prefix}\n${completion}`,
  });
  const sides = (pair: Pair): Completion[] =>
    hasGivenScores(pair) ? [] : [whole(pair, pair.chosen), whole(pair, pair.rejected)];
  const missing = distinct(pairs.flatMap(sides)).filter((completion) => cache.get(completion) === undefined);
  if (missing.length > 0) {
    const judge = await options.load();
    try {
      for (let start = 0; start < missing.length; start += CHUNK) {
        const chunk = missing.slice(start, start + CHUNK);
        const scored = judge.score(chunk);
        await cache.put(chunk.map((completion, i) => ({ completion, stepScores: scored[i]?.stepScores ?? [] })));
        options.onProgress?.(Math.min(missing.length, start + CHUNK), missing.length);
      }
    } finally {
      judge.dispose();
    }
  }
  const scoreOf = (completion: Completion, given: number): number =>
    aggregateScores((cache.get(completion) ?? []).slice(given), aggregation);
  return pairs.map((pair) => {
    const [chosen, rejected] = sides(pair);
    if (chosen === undefined || rejected === undefined)
      return { chosen: pair.chosen_score ?? 0, rejected: pair.rejected_score ?? 0 };
    const given = splitSteps(pair.prefix ?? "").length;
    return { chosen: scoreOf(chosen, given), rejected: scoreOf(rejected, given) };
  });
}

/** Pairs of one prompt often share a side. */
function distinct(completions: readonly Completion[]): Completion[] {
  return [...new Map(completions.map((each) => [JSON.stringify([each.prompt, each.completion]), each])).values()];
}
