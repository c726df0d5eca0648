// How much an online run has sampled, and whether it may go on. Samples and tokens end a round exactly, so that the same settings give the
// same run; minutes end it where the clock says.

import { type Rollout, tokensOf } from "../rollout/rollout.ts";
import type { OnlineSettings } from "./settings.ts";

/** Sampled so far; seconds are those of sampling and update over all processes of the run. */
export interface Spent {
  samples: number;
  tokens: number;
  seconds: number;
}

type Budget = Pick<OnlineSettings, "rounds" | "budgetSamples" | "budgetTokens" | "budgetMinutes">;

export function spentOn(rollouts: readonly Rollout[]): Pick<Spent, "samples" | "tokens"> {
  return {
    samples: rollouts.reduce((sum, { samples }) => sum + samples.length, 0),
    tokens: rollouts.reduce((sum, rollout) => sum + tokensOf(rollout), 0),
  };
}

/** What of the whole run's budget is used up; undefined: nothing, so that a later round may sample. */
export function usedUp(budget: Budget, spent: Spent): string | undefined {
  const { budgetSamples, budgetTokens, budgetMinutes } = budget;
  if (budgetSamples !== null && spent.samples >= budgetSamples) return `${spent.samples} of ${budgetSamples} samples`;
  if (budgetTokens !== null && spent.tokens >= budgetTokens) return `${spent.tokens} of ${budgetTokens} tokens`;
  const minutes = spent.seconds / 60;
  if (budgetMinutes !== null && minutes >= budgetMinutes) return `${minutes.toFixed(1)} of ${budgetMinutes} minutes`;
  return undefined;
}

/** Whether round `round` (from 0) may sample more: each round may use its even share of samples and tokens, what earlier ones left too. */
export function maySample(budget: Budget, spent: Spent, round: number): boolean {
  const share = (round + 1) / budget.rounds;
  const isLeft = (limit: number | null, used: number): boolean => limit === null || used < limit * share;
  return (
    isLeft(budget.budgetSamples, spent.samples) &&
    isLeft(budget.budgetTokens, spent.tokens) &&
    (budget.budgetMinutes === null || spent.seconds < 60 * budget.budgetMinutes)
  );
}
