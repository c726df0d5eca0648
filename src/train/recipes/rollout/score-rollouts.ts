// Scores of every step of every sample: by the reward model, by the symbolic checker, by both, or by the outcome alone.

import { type Aggregation, aggregateScores } from "../../../shared/aggregate.ts";
import { InputError } from "../../../shared/errors.ts";
import { splitSteps } from "../../../shared/steps.ts";
import { scoresInOrder } from "../../reward/scoring/score-all.ts";
import type { Scorer as RewardScorer } from "../../reward/scoring/scoring-processes.ts";
import { isRight, type Rollout, type RolloutProblem, type RolloutSample } from "./rollout.ts";

/**
 * `judge`: the reward model's. `checker`: 1 for a step that the symbolic checker finds right, else 0. `both`: the reward model's where
 * the checker finds the step right, else 0. `outcome`: every step gets 1 when the solution is right, else 0.
 */
export const SCORER_NAMES = ["judge", "checker", "both", "outcome"] as const;
export type ScorerName = (typeof SCORER_NAMES)[number];

/** Throws InputError when the scorer needs to know of the problems what it cannot. */
export function checkScorerName(scorer: ScorerName, problems: readonly RolloutProblem[]): void {
  const wants = scorer === "outcome" ? "answer" : "gold";
  const blind = scorer === "judge" ? [] : problems.filter((problem) => (problem[wants] ?? problem.gold) === undefined);
  if (blind.length === 0) return;
  const lacks = scorer === "outcome" ? "known answer" : "worked solution that the symbolic checker can read";
  throw new InputError({
    code: "no_gold",
    what: `${blind.length} of ${problems.length} problems have no ${lacks}; the first: "${blind[0]?.prompt.slice(0, 60)}"`,
    where: `--scorer ${scorer}`,
    fix: scorer === "outcome" ? "Use --scorer judge." : "Use --scorer judge or --scorer outcome.",
  });
}

/** Step scores of one sample, given the reward model's (unused by `checker` and `outcome`). */
function stepScores(scorer: ScorerName, sample: RolloutSample, judged: readonly number[]): number[] {
  const steps = splitSteps(sample.completion);
  const label = (i: number): number => (sample.step_labels?.[i] === true ? 1 : 0);
  switch (scorer) {
    case "judge":
      return [...judged];
    case "checker":
      return steps.map((_, i) => label(i));
    case "both":
      return steps.map((_, i) => label(i) * (judged[i] ?? 0));
    case "outcome":
      return steps.map(() => (isRight(sample) === true ? 1 : 0));
  }
}

/**
 * The sample with its scores. Where the checker has a say, a solution that is wrong only because it stops too early counts one step
 * more, scored 0: else it would score as a right one. A sample without steps scores 0.
 */
export function scoreSample(
  sample: RolloutSample,
  options: { scorer: ScorerName; aggregation: Aggregation; judged?: readonly number[] },
): RolloutSample {
  const { scorer, aggregation, judged = [] } = options;
  const scores = stepScores(scorer, sample, judged);
  if (scores.length === 0) return { ...sample, step_scores: [], score: 0 };
  const stopsEarly = sample.exact === false && sample.step_labels?.every(Boolean) === true;
  const counted = stopsEarly && (scorer === "checker" || scorer === "both") ? [...scores, 0] : scores;
  return { ...sample, step_scores: scores, score: aggregateScores(counted, aggregation) };
}

/** Scores all samples; the reward model, where the scorer needs one, is asked once for all texts. */
export async function scoreRollouts(
  rollouts: readonly Rollout[],
  options: { scorer: ScorerName; aggregation: Aggregation; rewardModel?: RewardScorer | undefined },
): Promise<Rollout[]> {
  const { scorer, aggregation, rewardModel } = options;
  const texts = rollouts.flatMap(({ prompt, samples }) =>
    samples.flatMap(({ completion }) => (completion === "" ? [] : [{ prompt, completion }])),
  );
  const needsModel = scorer === "judge" || scorer === "both";
  if (needsModel && rewardModel === undefined) {
    const fix = "Name one with --reward-model.";
    throw new InputError({ code: "no_reward_model", what: `scorer "${scorer}" needs a reward model`, fix });
  }
  const judged = rewardModel !== undefined && needsModel ? await scoresInOrder(rewardModel, texts) : [];
  let next = 0;
  return rollouts.map((rollout) => ({
    ...rollout,
    samples: rollout.samples.map((sample) => {
      const own = sample.completion === "" ? [] : (judged[next++]?.stepScores ?? []);
      return scoreSample(sample, { scorer, aggregation, judged: own });
    }),
  }));
}
