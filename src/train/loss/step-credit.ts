// From scores of steps to what each step counts in a loss. Plain numbers, constants to the gradient.
//   full-step weights   Full-Step-DPO (Xu et al. 2025, arXiv:2502.14356): a chosen step counts by exp(gamma * score), a rejected one by
//                       exp(-gamma * score); here times the number of steps, so that equal scores are plain DPO
//   advantages          of a step among the samples of one problem, for the clipped policy gradient:
//     process   GRPO with process supervision (Shao et al. 2024, arXiv:2402.03300, section 4.1.3): scores normalised over all steps of the
//               group, summed from the step to the end
//     progress  the value after the step minus the value before it; a prefix is worth its lowest score so far (Math-Shepherd's
//               aggregation), nothing written yet the group's mean, so that the advantages of a sample add up to its value minus the mean
//     outcome   GRPO as it is: the normalised value of the whole solution, the same for every step

export const ADVANTAGES = ["process", "progress", "outcome"] as const;
export type AdvantageKind = (typeof ADVANTAGES)[number];

/** The steps of one sample, in order; at least one. */
export interface SampleScores {
  scores: readonly number[];
  /** Whether the whole solution is right, where that is known: a wrong or unfinished one is worth 0 at its end, whatever its steps. */
  right?: boolean | undefined;
}

/** Keeps a group of almost equal rewards from being blown up (TRL's value). */
const TINY = 1e-4;

/** Weights of a side's steps, with mean 1. */
export function fullStepWeights(scores: readonly number[], side: "chosen" | "rejected", gamma: number): number[] {
  const powers = scores.map((score) => (side === "chosen" ? gamma : -gamma) * score);
  const top = Math.max(...powers);
  const weights = powers.map((power) => Math.exp(power - top));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => (scores.length * weight) / sum);
}

/** Advantages of all steps of a group of samples of one problem, in the group's order. */
export function stepAdvantages(group: readonly SampleScores[], kind: AdvantageKind): number[][] {
  switch (kind) {
    case "process":
      return processAdvantages(group);
    case "progress":
      return progressAdvantages(group);
    case "outcome":
      return outcomeAdvantages(group);
  }
}

/** Scores of a sample's steps; the last step of a solution known to be wrong has 0: it ended where it should not have. */
function rewardsOf({ scores, right }: SampleScores): number[] {
  return right === false ? [...scores.slice(0, -1), 0] : [...scores];
}

function processAdvantages(group: readonly SampleScores[]): number[][] {
  const rewards = group.map(rewardsOf);
  const { mean, deviation } = moments(rewards.flat());
  return rewards.map((own) => {
    let toCome = 0;
    const backwards = own.toReversed().map((reward) => {
      toCome += (reward - mean) / (deviation + TINY);
      return toCome;
    });
    return backwards.reverse();
  });
}

function progressAdvantages(group: readonly SampleScores[]): number[][] {
  const values = group.map(valuesOf);
  const { mean } = moments(values.map((own) => own.at(-1) ?? 0));
  return values.map((own) => own.map((value, k) => value - (own[k - 1] ?? mean)));
}

/** Value of a sample's prefixes: the lowest reward so far. */
function valuesOf(sample: SampleScores): number[] {
  let lowest = Number.POSITIVE_INFINITY;
  return rewardsOf(sample).map((reward) => {
    lowest = Math.min(lowest, reward);
    return lowest;
  });
}

function outcomeAdvantages(group: readonly SampleScores[]): number[][] {
  const outcomes = group.map((sample) => (sample.right === true ? 1 : (valuesOf(sample).at(-1) ?? 0)));
  const { mean, deviation } = moments(outcomes);
  return group.map(({ scores }, i) => scores.map(() => ((outcomes[i] ?? 0) - mean) / (deviation + TINY)));
}

/** Mean and standard deviation (of a sample: n - 1, as torch's std; 0 for one value). */
function moments(values: readonly number[]): { mean: number; deviation: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / Math.max(1, values.length - 1)) };
}
