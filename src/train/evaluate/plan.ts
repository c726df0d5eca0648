// What of an evaluation the data and the reward model allow, and why the rest is left out.

import type { EvaluationItem } from "../data/problems/items.ts";
import type { Part } from "./options.ts";
import type { EvaluationResult } from "./result.ts";

export interface Plan {
  policy: boolean;
  preference: boolean;
  judge: boolean;
  bestOfN: boolean;
  /** Whether solutions are needed at all. */
  solve: boolean;
}

/** What the data and the reward model allow; says of the rest why it is left out. */
export function planEvaluation(
  items: readonly EvaluationItem[],
  parts: ReadonlySet<Part>,
  hasRewardModel: boolean,
  left: EvaluationResult["left_out"],
): Plan {
  const allowed = (part: Part, isPossible: boolean, why: string): boolean => {
    if (!parts.has(part)) return false;
    if (!isPossible) left.push({ part, why });
    return isPossible;
  };
  const hasAnswers = items.some(({ gold, answer }) => gold !== null || answer !== null);
  const hasGold = items.some(({ gold }) => gold !== null);
  const hasLabels = items.some(({ labelled }) => labelled.length > 0);
  const policy = allowed("policy", true, "");
  if (policy && !hasAnswers)
    left.push({ part: "exact_match", why: "the data hold no right solution and no final answer" });
  if (policy && !hasGold)
    left.push({ part: "step_validity", why: "the data hold no right solution that the symbolic checker can read" });
  const preference = allowed(
    "preference",
    items.some(({ pairs }) => pairs.length > 0),
    "the data hold no pairs",
  );
  if (preference && !hasRewardModel) left.push({ part: "pair_scores", why: "no reward model was given" });
  const judge =
    allowed("judge", hasRewardModel, "no reward model was given") &&
    allowed("judge", hasLabels || hasGold, "the data hold no step labels and no right solution for the checker");
  const bestOfN = allowed("best-of-n", hasAnswers, "the data hold no right solution and no final answer");
  if (bestOfN && !hasRewardModel) left.push({ part: "best-of-n: naive, weighted", why: "no reward model was given" });
  return { policy, preference, judge, bestOfN, solve: policy || bestOfN || (judge && hasGold) };
}
