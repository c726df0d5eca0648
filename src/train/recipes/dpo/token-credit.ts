// From scores of steps to a number for every token of a completion, as the losses of STEP_LOSSES read them. A token belongs to its line;
// the newline that ends a line belongs to that line, the end token to the last one.

import type { TokenizedPair } from "../../data/pairs/tokenize-pairs.ts";
import type { StepLoss } from "../../loss/settings.ts";
import { type AdvantageKind, fullStepWeights, stepAdvantages } from "../../loss/step-credit.ts";

/** A value a side; each list has one a token from the first that counts on. */
export interface BySide<T> {
  chosen: T;
  rejected: T;
}

/** Scores of a pair's steps, those of its prefix left out. */
export type StepScores = BySide<number[]>;

export interface CreditSettings {
  lossType: StepLoss;
  stepGamma: number;
  advantages: AdvantageKind;
}

/** From this score on a step counts as right. */
const RIGHT_SCORE = 0.5;

const SIDES = ["chosen", "rejected"] as const;

/** Leading tokens that do not count: the prefix, unless its right steps are learnt too. */
export function skippedTokens(pair: Pick<TokenizedPair, "prefixLength">, lossType: StepLoss): number {
  return lossType === "first_error" ? 0 : pair.prefixLength;
}

/** Which of the own steps each token belongs to, from `from` on; -1 for a token of the prefix. */
export function stepOfTokens(
  ids: readonly number[],
  { from, prefixLength, newline }: { from: number; prefixLength: number; newline: number | undefined },
): number[] {
  let step = 0;
  const steps = ids.map((id, t) => {
    if (t < prefixLength) return -1;
    const own = step;
    if (id === newline) step += 1;
    return own;
  });
  return steps.slice(from);
}

/** What each step of a pair counts under a loss. */
export function creditOfSteps(scores: StepScores, pair: TokenizedPair["pair"], settings: CreditSettings): StepScores {
  switch (settings.lossType) {
    case "full_step":
      return {
        chosen: fullStepWeights(scores.chosen, "chosen", settings.stepGamma),
        rejected: fullStepWeights(scores.rejected, "rejected", settings.stepGamma),
      };
    case "first_error":
      return firstError(scores);
    case "grpo": {
      const { chosen_advantages: ofChosen, rejected_advantages: ofRejected } = pair;
      if (ofChosen !== undefined && ofRejected !== undefined) return { chosen: ofChosen, rejected: ofRejected };
      const [chosen = [], rejected = []] = stepAdvantages(
        SIDES.map((side) => ({ scores: scores[side] })),
        settings.advantages,
      );
      return { chosen, rejected };
    }
  }
}

/** 1 at the rejected side's first wrong step and at the step that stands in its place on the chosen side; 0 at all others. */
function firstError({ chosen, rejected }: StepScores): StepScores {
  const wrong = rejected.findIndex((score) => score < RIGHT_SCORE);
  // no step was found wrong: the solution as a whole was, and its last step is where it ends so
  const at = wrong < 0 ? rejected.length - 1 : wrong;
  const mark = (scores: readonly number[], step: number): number[] => scores.map((_, k) => (k === step ? 1 : 0));
  return { chosen: mark(chosen, Math.min(at, chosen.length - 1)), rejected: mark(rejected, at) };
}

/** The credit of every token that counts. */
export function creditOfTokens(
  pair: TokenizedPair,
  scores: StepScores,
  settings: CreditSettings & { newline: number | undefined },
): BySide<number[]> {
  const credit = creditOfSteps(scores, pair.pair, settings);
  const { prefixLength } = pair;
  const from = skippedTokens(pair, settings.lossType);
  const ofSide = (side: (typeof SIDES)[number]): number[] =>
    stepOfTokens(pair[`${side}Ids`], { from, prefixLength, newline: settings.newline }).map((step) =>
      step < 0 ? 0 : (credit[side][Math.min(step, credit[side].length - 1)] ?? 0),
    );
  return { chosen: ofSide("chosen"), rejected: ofSide("rejected") };
}
