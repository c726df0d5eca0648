// Step-level pairs (Step-DPO, Lai et al. 2024, arXiv:2406.18629): a right start that both sides share, a right next step against the
// first wrong one. The right step comes from another sample with the same start, or from a branch written again from there. Pure.

import { splitSteps } from "../../../shared/steps.ts";
import type { MadePairs, RolloutPair } from "./pairs.ts";
import { isRight, type Rollout, type RolloutSample, stepIsRight } from "./rollout.ts";

/** Where a sample goes wrong for the first time. */
export interface FirstMistake {
  /** The right steps before it, one a line. */
  prefix: string;
  step: string;
  score: number;
}

/** The first wrong step of a sample; undefined when every step is right. */
function firstMistake(sample: RolloutSample): FirstMistake | undefined {
  const steps = splitSteps(sample.completion).map(({ text }) => text);
  const at = steps.findIndex((_, i) => !stepIsRight(sample, i));
  const step = steps[at];
  if (step === undefined) return undefined;
  return { prefix: steps.slice(0, at).join("\n"), step, score: sample.step_scores[at] ?? 0 };
}

/** The mistakes of a problem's samples, each once, those made most often first. */
export function mistakesOf(rollout: Rollout): FirstMistake[] {
  const byText = new Map<string, FirstMistake & { count: number }>();
  for (const sample of rollout.samples) {
    const mistake = firstMistake(sample);
    if (mistake === undefined) continue;
    const key = `${mistake.prefix}\n\n${mistake.step}`;
    const known = byText.get(key);
    if (known !== undefined) known.count += 1;
    else byText.set(key, { ...mistake, count: 1 });
  }
  return [...byText.values()].sort((a, b) => b.count - a.count).map(({ count: _, ...mistake }) => mistake);
}

/** Right next steps after `prefix`: of the samples that start with it (whole right solutions first), then of the branches. */
export function rightContinuations(rollout: Rollout, prefix: string): { step: string; score: number }[] {
  const before = splitSteps(prefix).map(({ text }) => text);
  const found = new Map<string, { step: string; score: number }>();
  const samples = [...rollout.samples].sort((a, b) => Number(isRight(b) ?? false) - Number(isRight(a) ?? false));
  for (const sample of samples) {
    const steps = splitSteps(sample.completion).map(({ text }) => text);
    const step = steps[before.length];
    const sharesStart = before.every((text, i) => text === steps[i] && stepIsRight(sample, i));
    // the last step of a sample that was cut may be half a step
    const isWhole = sample.finished || before.length < steps.length - 1;
    if (step === undefined || !sharesStart || !isWhole || !stepIsRight(sample, before.length)) continue;
    if (!found.has(step)) found.set(step, { step, score: sample.step_scores[before.length] ?? 0 });
  }
  for (const { prefix: start, step, right, score } of rollout.branches ?? []) {
    if (right && start === prefix && !found.has(step)) found.set(step, { step, score });
  }
  return [...found.values()];
}

/** Pairs of all problems, at most `maxPairs` each: one for every first mistake that a right step is known for. */
export function stepPairsFromRollouts(rollouts: readonly Rollout[], options: { maxPairs: number }): MadePairs {
  const made: MadePairs = { pairs: [], without: {} };
  for (const rollout of rollouts) {
    const mistakes = mistakesOf(rollout);
    const pairs = mistakes.flatMap(({ prefix, step, score }): RolloutPair[] => {
      const right = rightContinuations(rollout, prefix)[0];
      if (right === undefined) return [];
      const scores = {
        chosen_score: right.score,
        rejected_score: score,
        chosen_step_scores: [right.score],
        rejected_step_scores: [score],
      };
      const start = prefix === "" ? {} : { prefix };
      return [{ prompt: rollout.prompt, ...start, unfinished: true, chosen: right.step, rejected: step, ...scores }];
    });
    made.pairs.push(...pairs.slice(0, options.maxPairs));
    if (pairs.length > 0) continue;
    const reason = mistakes.length === 0 ? "no sample has a wrong step" : "no right step is known after the same start";
    made.without[reason] = (made.without[reason] ?? 0) + 1;
  }
  return made;
}
