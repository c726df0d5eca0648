// Scores both sides of every pair once, through the cache; given scores are taken as they are. A step-level pair is scored as the whole
// solution, its prefix first, so that the judge sees the context; the score is that of the continuation's steps.

import { type Aggregation, aggregateScores } from "../../../shared/aggregate.ts";
import type { Pair } from "../../../shared/records.ts";
import { splitSteps } from "../../../shared/steps.ts";
import type { Completion } from "../judge/llm-reward-model.ts";
import { scoreAll } from "./score-all.ts";
import type { ScoreCache } from "./score-cache.ts";
import type { Scorer } from "./scoring-processes.ts";

export interface PairScores {
  chosen: number;
  rejected: number;
  /** One a step, those of a prefix left out; undefined where a pair brought aggregates alone. */
  chosenSteps?: number[] | undefined;
  rejectedSteps?: number[] | undefined;
}

/** Whether a pair brings its own scores. */
export function hasGivenScores(pair: Pair): boolean {
  return pair.chosen_score !== undefined && pair.rejected_score !== undefined;
}

/** Whether a pair brings the scores of its steps. */
export function hasGivenStepScores(pair: Pair): boolean {
  return pair.chosen_step_scores !== undefined && pair.rejected_step_scores !== undefined;
}

/** Scores in the order of the pairs. `load` is called only when something is not in the cache, with the number of such completions. */
export async function scorePairs(options: {
  pairs: readonly Pair[];
  cache: ScoreCache;
  load: (completions: number) => Promise<Scorer>;
  aggregation: Aggregation;
  /** true: a pair that brings only aggregates is scored as well. */
  needSteps?: boolean;
  onProgress?: (done: number, total: number) => void;
}): Promise<PairScores[]> {
  const { pairs, cache, aggregation, needSteps = false } = options;
  const whole = ({ prompt, prefix }: Pair, completion: string): Completion => ({
    prompt,
    completion: prefix === undefined ? completion : `${prefix}\n${completion}`,
  });
  const isGiven = needSteps ? hasGivenStepScores : hasGivenScores;
  const sides = (pair: Pair): Completion[] =>
    isGiven(pair) ? [] : [whole(pair, pair.chosen), whole(pair, pair.rejected)];
  const missing = distinct(pairs.flatMap(sides)).filter((completion) => cache.get(completion) === undefined);
  if (missing.length > 0) {
    const scorer = await options.load(missing.length);
    let done = 0;
    try {
      await scoreAll(scorer, missing, async (part, scored) => {
        await cache.put(part.map((completion, i) => ({ completion, stepScores: scored[i]?.stepScores ?? [] })));
        done += part.length;
        options.onProgress?.(done, missing.length);
      });
    } finally {
      scorer.dispose();
    }
  }
  const aggregate = (scores: readonly number[] | undefined): number => aggregateScores(scores ?? [], aggregation);
  return pairs.map((pair) => {
    const [chosen, rejected] = sides(pair);
    if (chosen === undefined || rejected === undefined) {
      const { chosen_step_scores: chosenSteps, rejected_step_scores: rejectedSteps } = pair;
      return {
        chosen: pair.chosen_score ?? aggregate(chosenSteps),
        rejected: pair.rejected_score ?? aggregate(rejectedSteps),
        chosenSteps,
        rejectedSteps,
      };
    }
    const given = splitSteps(pair.prefix ?? "").length;
    const chosenSteps = (cache.get(chosen) ?? []).slice(given);
    const rejectedSteps = (cache.get(rejected) ?? []).slice(given);
    const scores = { chosen: aggregate(chosenSteps), rejected: aggregate(rejectedSteps) };
    return hasGivenScores(pair)
      ? { chosen: pair.chosen_score ?? 0, rejected: pair.rejected_score ?? 0, chosenSteps, rejectedSteps }
      : { ...scores, chosenSteps, rejectedSteps };
  });
}

/** Pairs of one prompt often share a side. */
function distinct(completions: readonly Completion[]): Completion[] {
  return [...new Map(completions.map((each) => [JSON.stringify([each.prompt, each.completion]), each])).values()];
}
