// Runs step searches on a policy and a reward model. Many run side by side: what all of them ask for next is written in one batch and
// scored in one batch, so that they take as many rounds as the deepest of them.

import { splitSteps } from "../steps.ts";
import type { Ask, Expansion, StepSearch, StepSearchResult } from "./step-search.ts";

/** What is written for an ask, once. */
export interface Continuation {
  /** Without the prefix. */
  text: string;
  tokens: number;
  /** Sum of the tokens' log-probs. */
  logp: number;
  /** EOS was reached. */
  finished: boolean;
}

/** A solution to be scored, or the beginning of one: a process reward model tells its last step apart from the last of a whole solution. */
export interface ScoreAsk {
  problem: number;
  text: string;
  finished: boolean;
}

/** The models of searches; `problem` is a search's place in the list given to `runSearches`. */
export interface SearchModels {
  /**
   * Continues every prefix `count` times, up to the end of its next step: a list of continuations an ask,
   * empty where nothing can follow, all in one batch.
   */
  write(asks: readonly (Ask & { problem: number })[]): Promise<(readonly Continuation[])[]>;
  /** A score for each step of every text, all in one batch. No text is given twice, and none without a step. */
  score(texts: readonly ScoreAsk[]): Promise<(readonly number[])[]>;
}

interface Running {
  problem: number;
  search: StepSearch;
  asks: Ask[];
}

/** Results in the order of the searches. Throws what the models throw. */
export async function runSearches(searches: readonly StepSearch[], models: SearchModels): Promise<StepSearchResult[]> {
  const results: StepSearchResult[] = [];
  const advance = (problem: number, search: StepSearch, sent: readonly (readonly Expansion[])[]): Running[] => {
    const step = search.next(sent);
    if (step.done !== true) return [{ problem, search, asks: step.value }];
    results[problem] = step.value;
    return [];
  };
  let running = searches.flatMap((search, problem) => advance(problem, search, []));
  while (running.length > 0) {
    const asks = running.flatMap(({ problem, asks: own }) => own.map((ask) => ({ ...ask, problem })));
    const written = await models.write(asks);
    const grown = asks.map(({ prefix, problem }, at) =>
      (written[at] ?? []).map((one) => ({ ...one, problem, text: prefix + one.text })),
    );
    const scoresOf = await scoreDistinct(grown.flat(), models);
    const expansions = grown.map((list) => list.map((one): Expansion => ({ ...one, stepScores: scoresOf(one) })));
    let next = 0;
    running = running.flatMap(({ problem, search, asks: own }) => {
      const sent = expansions.slice(next, next + own.length);
      next += own.length;
      return advance(problem, search, sent);
    });
  }
  return results;
}

/** Scores each text once: many continuations are equal. */
async function scoreDistinct(
  texts: readonly ScoreAsk[],
  models: SearchModels,
): Promise<(text: ScoreAsk) => readonly number[]> {
  const keyOf = ({ problem, text, finished }: ScoreAsk): string => `${problem} ${finished} ${text.trim()}`;
  const withSteps = texts.filter(({ text }) => splitSteps(text).length > 0);
  const distinct = new Map(
    withSteps.map((one) => [keyOf(one), { problem: one.problem, text: one.text, finished: one.finished }]),
  );
  const scores = distinct.size === 0 ? [] : await models.score([...distinct.values()]);
  const byKey = new Map([...distinct.keys()].map((key, at) => [key, scores[at] ?? []]));
  return (text) => byKey.get(keyOf(text)) ?? [];
}
