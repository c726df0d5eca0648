// What an update learns from a round's samples. Pure: rollouts in, pairs out.
//   best-worst, right-wrong, step   the pairs of `npm run rollout`
//   right          the right solutions, each once: rejection sampling (for SFT)
//   right-steps    those, and the right start of every wrong solution with the right next step where one is known (for SFT)
//   group          all samples of a problem, two a pair, each step with its advantage among them (for the clipped policy gradient)

import type { Pair } from "../../../shared/records.ts";
import { splitSteps } from "../../../shared/steps.ts";
import { type AdvantageKind, stepAdvantages } from "../../loss/step-credit.ts";
import { pairsOfKind } from "../rollout/pair-kinds.ts";
import { isRight, type Rollout, type RolloutSample } from "../rollout/rollout.ts";
import { mistakesOf, rightContinuations } from "../rollout/step-pairs.ts";
import { withoutScores } from "../rollout/write-rollouts.ts";
import type { OnlineSettings } from "./settings.ts";

export type MaterialOptions = Pick<OnlineSettings, "learnFrom" | "maxPairsPerProblem" | "scoredBy"> & {
  advantages: AdvantageKind;
};

/** Pairs of a round, in the order of its problems. */
export function materialOf(rollouts: readonly Rollout[], options: MaterialOptions): Pair[] {
  const { learnFrom, maxPairsPerProblem, scoredBy } = options;
  switch (learnFrom) {
    case "right":
      return rollouts.flatMap((rollout) => rightSolutions(rollout).slice(0, maxPairsPerProblem));
    case "right-steps":
      return rollouts.flatMap((rollout) => [
        ...rightSolutions(rollout).slice(0, maxPairsPerProblem),
        ...rightStarts(rollout).slice(0, maxPairsPerProblem),
      ]);
    case "group":
      return rollouts.flatMap((rollout) => groupPairs(rollout, options.advantages));
    default: {
      const { pairs } = pairsOfKind(rollouts, learnFrom, { maxPairsPerProblem, requireRight: false });
      return scoredBy === "train" ? pairs.map(withoutScores) : pairs;
    }
  }
}

/** SFT reads only the chosen side; the other has to hold something. */
function toLearn(prompt: string, chosen: string, unfinished = false): Pair {
  return { prompt, chosen, rejected: chosen, ...(unfinished && { unfinished }) };
}

/** Right solutions that ended by themselves, each once, those written most often first. */
function rightSolutions({ prompt, samples }: Rollout): Pair[] {
  const counts = new Map<string, number>();
  for (const sample of samples)
    if (isRight(sample) === true && sample.finished)
      counts.set(sample.completion, (counts.get(sample.completion) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a).map(([text]) => toLearn(prompt, text));
}

/** Right starts of wrong solutions, each as far as a right step is known; none that another contains. */
function rightStarts(rollout: Rollout): Pair[] {
  const starts = mistakesOf(rollout).map(({ prefix }) => {
    const next = rightContinuations(rollout, prefix)[0]?.step;
    return [...(prefix === "" ? [] : [prefix]), ...(next === undefined ? [] : [next])].join("\n");
  });
  const solutions = rightSolutions(rollout).map(({ chosen }) => chosen);
  const distinct = [...new Set(starts)].filter((start) => start !== "");
  const isContained = (start: string): boolean =>
    [...solutions, ...distinct].some((other) => other.startsWith(`${start}\n`) || solutions.includes(start));
  return distinct.filter((start) => !isContained(start)).map((start) => toLearn(rollout.prompt, start, true));
}

/** Samples that were written more than once count as often. */
interface GroupMember {
  completion: string;
  finished: boolean;
  scores: number[];
  advantages: number[];
}

/** All samples of a problem, two a pair; none where no step has an advantage. */
function groupPairs(rollout: Rollout, kind: AdvantageKind): Pair[] {
  const written = rollout.samples.filter(({ completion }) => completion !== "");
  const advantages = stepAdvantages(
    written.map((sample) => ({ scores: scoresOf(sample), right: isRight(sample) })),
    kind,
  );
  if (advantages.flat().every((advantage) => Math.abs(advantage) < 1e-6)) return [];
  const members = new Map<string, GroupMember>();
  written.forEach((sample, i) => {
    const own = advantages[i] ?? [];
    const { completion, finished } = sample;
    const key = `${finished} ${completion}`; // a text that was cut lacks the end token of the same text written to its end
    const known = members.get(key);
    if (known === undefined) members.set(key, { completion, finished, scores: scoresOf(sample), advantages: [...own] });
    else known.advantages = known.advantages.map((advantage, k) => advantage + (own[k] ?? 0));
  });
  const list = [...members.values()];
  const pairs: Pair[] = [];
  for (let i = 0; i < list.length; i += 2) {
    const first = list[i];
    // an odd one out stands beside itself, which counts half on each side
    const second = list[i + 1] ?? first;
    if (first === undefined || second === undefined) break;
    const share = first === second ? 0.5 : 1;
    pairs.push({
      prompt: rollout.prompt,
      chosen: first.completion,
      rejected: second.completion,
      ...(!first.finished && { chosen_cut: true }),
      ...(!second.finished && { rejected_cut: true }),
      chosen_step_scores: first.scores,
      rejected_step_scores: second.scores,
      chosen_advantages: first.advantages.map((advantage) => share * advantage),
      rejected_advantages: second.advantages.map((advantage) => share * advantage),
    });
  }
  return pairs;
}

function scoresOf({ completion, step_scores }: RolloutSample): number[] {
  return splitSteps(completion).map((_, k) => step_scores[k] ?? 0);
}
