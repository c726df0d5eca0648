// Pairs of whole solutions from the samples of a problem. Pure: rollouts in, pairs and the reasons of what gave none out.

import type { Pair } from "../../../shared/records.ts";
import { isRight, type Rollout, type RolloutSample } from "./rollout.ts";

/** A pair with the labels of its steps where they are known. */
export type RolloutPair = Pair & { chosen_labels?: boolean[]; rejected_labels?: boolean[] };

export interface MadePairs {
  pairs: RolloutPair[];
  /** Problems that gave no pair, by reason. */
  without: Record<string, number>;
}

export interface PairOptions {
  /**
   * `best-worst`: the sample of the highest score against that of the lowest. `right-wrong`: right samples against wrong ones, those
   * written most often first.
   */
  kind: "best-worst" | "right-wrong";
  /** Most pairs of one problem (`right-wrong`). */
  maxPairs: number;
  /** `best-worst`: only where the best is right and the worst is wrong. */
  requireRight: boolean;
}

/** Scores closer than this are a tie. */
const TIE = 1e-6;

/** A text that was sampled, once, and how often. */
interface Candidate extends RolloutSample {
  count: number;
}

/** Distinct texts with at least one step, those written most often first. */
function candidates(rollout: Rollout): Candidate[] {
  const byText = new Map<string, Candidate>();
  for (const sample of rollout.samples) {
    const known = byText.get(sample.completion);
    if (known !== undefined) known.count += 1;
    else if (sample.completion !== "") byText.set(sample.completion, { ...sample, count: 1 });
  }
  return [...byText.values()].sort((a, b) => b.count - a.count);
}

function makePair(prompt: string, chosen: RolloutSample, rejected: RolloutSample): RolloutPair {
  return {
    prompt,
    chosen: chosen.completion,
    rejected: rejected.completion,
    chosen_score: chosen.score,
    rejected_score: rejected.score,
    chosen_step_scores: chosen.step_scores,
    rejected_step_scores: rejected.step_scores,
    ...(!rejected.finished && { rejected_cut: true }),
    ...(chosen.step_labels && { chosen_labels: chosen.step_labels }),
    ...(rejected.step_labels && { rejected_labels: rejected.step_labels }),
  };
}

/** The pair of one problem, or why there is none. A chosen solution has ended by itself; a rejected one may have been cut. */
function bestWorst(rollout: Rollout, requireRight: boolean): RolloutPair | string {
  const texts = candidates(rollout);
  if (texts.length === 0) return "no sample has a step";
  if (texts.length === 1) return "all samples are the same text";
  const rank = (a: Candidate, b: Candidate): number =>
    b.score - a.score || Number(isRight(b) ?? false) - Number(isRight(a) ?? false);
  const sorted = [...texts].sort(rank);
  const best = sorted.find(({ finished }) => finished);
  const worst = sorted.at(-1);
  if (best === undefined) return "no sample has ended by itself";
  if (worst === undefined || best.score - worst.score <= TIE) return "all scores are the same";
  if (requireRight && isRight(best) !== true) return "the best sample is wrong";
  if (requireRight && isRight(worst) !== false) return "the worst sample is right";
  return makePair(rollout.prompt, best, worst);
}

/** Right x wrong: every right text meets another wrong one before any of them comes again. */
function rightWrong(rollout: Rollout, maxPairs: number): RolloutPair[] | string {
  const texts = candidates(rollout);
  const right = texts.filter((sample) => isRight(sample) === true && sample.finished);
  const wrong = texts.filter((sample) => isRight(sample) === false);
  if (texts.length === 0) return "no sample has a step";
  if (texts.every((sample) => isRight(sample) === undefined)) return "the answer is not known";
  if (right.length === 0) return "no sample is right";
  if (wrong.length === 0) return "no sample is wrong";
  const [more, fewer] = right.length >= wrong.length ? [right, wrong] : [wrong, right];
  const met = Array.from({ length: fewer.length }, (_, shift) =>
    more.map((one, i) => {
      const other = fewer[(i + shift) % fewer.length] ?? one;
      return more === right ? makePair(rollout.prompt, one, other) : makePair(rollout.prompt, other, one);
    }),
  );
  return met.flat().slice(0, maxPairs);
}

/** Pairs of all problems. */
export function pairsFromRollouts(rollouts: readonly Rollout[], options: PairOptions): MadePairs {
  const made: MadePairs = { pairs: [], without: {} };
  for (const rollout of rollouts) {
    const result =
      options.kind === "best-worst" ? bestWorst(rollout, options.requireRight) : rightWrong(rollout, options.maxPairs);
    if (typeof result === "string") made.without[result] = (made.without[result] ?? 0) + 1;
    else made.pairs.push(...(Array.isArray(result) ? result : [result]));
  }
  return made;
}
