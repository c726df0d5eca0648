// Solutions found by a search over steps instead of being sampled one by one: from each kept prefix several next steps are written, and
// what scores best is kept. It finds right solutions of problems that plain sampling fails, at a price in tokens that is counted.

import { runSearches } from "../../../shared/search/run-searches.ts";
import { stepSearch } from "../../../shared/search/step-search.ts";
import type { Scorer } from "../../reward/scoring/scoring-processes.ts";
import { checkSample, normaliseSteps } from "./check-sample.ts";
import { RIGHT_SCORE, type Rollout, type RolloutProblem } from "./rollout.ts";
import type { Policy, SampleOptions } from "./sample-rollouts.ts";
import { searchModels } from "./search-models.ts";
import { retryRollouts } from "./step-retry.ts";

/**
 * none        samples, each on its own
 * step-beam   several next steps from each of the best prefixes, the best of all kept
 * step-retry  a solution that goes wrong is continued from its last good step, again and again
 */
export const SEARCHES = ["none", "step-beam", "step-retry"] as const;
export type SearchChoice = (typeof SEARCHES)[number];

const MAX_STEPS = 16;
const MAX_STEP_TOKENS = 48;

export interface SearchRolloutOptions extends SampleOptions {
  search: Exclude<SearchChoice, "none">;
  /** step-beam: next steps written from each of the `samples` prefixes that are kept; step-retry: most tries of a step. */
  expand: number;
  /** step-retry: a step that scores below it is written again. Default 0.5. */
  threshold?: number | undefined;
}

/** Rollouts without scores, in the order of the problems: the solutions that the search kept, at most `samples` of each problem. */
export async function searchRollouts(
  policy: Policy,
  problems: readonly RolloutProblem[],
  rewardModel: Scorer,
  options: SearchRolloutOptions,
): Promise<Rollout[]> {
  const { search, samples, expand, threshold = RIGHT_SCORE, maxNewTokens, sampling, seed, streams, signal } = options;
  if (search === "step-retry")
    return retryRollouts(policy, problems, rewardModel, { ...options, tries: expand, threshold });
  const searches = problems.map(() =>
    stepSearch({
      kind: "step_beam",
      width: samples,
      expand,
      depth: MAX_STEPS,
      maxStepTokens: MAX_STEP_TOKENS,
      // as many as plain samples of that length, for each continuation
      budgetTokens: samples * expand * maxNewTokens,
      aggregation: "prod",
    }),
  );
  const prompts = problems.map(({ prompt }) => prompt);
  const models = searchModels(policy, rewardModel, { prompts, sampling, seed, streams, signal });
  const results = await runSearches(searches, models);
  return problems.map((problem, p) => {
    const { solutions = [], tokens = 0 } = results[p] ?? {};
    const kept = solutions.map(({ text, finished }) => {
      const completion = normaliseSteps(text);
      const checked = checkSample(problem, completion);
      const length = policy.tokenizer.encode(completion).length;
      return { completion, step_scores: [], ...checked, score: 0, finished, tokens: length };
    });
    return {
      prompt: problem.prompt,
      ...(problem.gold !== undefined && { gold: problem.gold }),
      ...(problem.answer !== undefined && { answer: problem.answer }),
      samples: kept,
      extra_tokens: Math.max(0, tokens - kept.reduce((sum, one) => sum + one.tokens, 0)),
    };
  });
}
