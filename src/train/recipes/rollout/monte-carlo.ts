// Step labels from nothing but outcomes (Math-Shepherd, Wang et al. 2024, arXiv:2312.08935, section 3.3): from the end of each step the policy
// writes M continuations. Soft label: the share that reaches the right answer. Hard label: whether any does.

import { splitSteps } from "../../../shared/steps.ts";
import { checkSample } from "./check-sample.ts";
import { type ContinueOptions, continueAll, type Start, startStream } from "./continuations.ts";
import type { Rollout, RolloutSample } from "./rollout.ts";
import type { Policy } from "./sample-rollouts.ts";

export interface MonteCarloOptions extends Omit<ContinueOptions, "stopTokenIds" | "samples"> {
  /** M. */
  continuations: number;
  /** Number of each rollout's random stream; default its index. */
  streams?: readonly number[] | undefined;
}

/** Continuations draw other numbers than the samples of the same seed. */
const MONTE_CARLO_SEED = 0x85ebca6b;

/** The starts of a sample that continuations are asked from: after each step but the last of a solution that ended. */
function startsOf({ completion, finished }: RolloutSample): string[] {
  const steps = splitSteps(completion).map(({ text }) => text);
  const open = finished ? steps.slice(0, -1) : steps;
  return open.map((_, i) => steps.slice(0, i + 1).join("\n"));
}

/** Soft labels of a sample, one a step, given the share of right answers after each start. */
export function softLabels(sample: RolloutSample, shareOf: (start: string) => number): number[] {
  const shares = startsOf(sample).map(shareOf);
  const hasLast = sample.finished && sample.completion !== "";
  return hasLast ? [...shares, sample.answer_correct === true ? 1 : 0] : shares;
}

/** Hard labels: true where any continuation reached the right answer. */
export function hardLabels(soft: readonly number[]): boolean[] {
  return soft.map((share) => share > 0);
}

/** The rollouts with `soft_labels`, where the answer is known. Samples of a problem that start the same share their continuations. */
export async function monteCarloLabels(
  policy: Policy,
  rollouts: readonly Rollout[],
  options: MonteCarloOptions,
): Promise<Rollout[]> {
  const { continuations, streams, ...request } = options;
  const isKnown = ({ gold, answer }: Rollout): boolean => (gold ?? answer) !== undefined;
  const starts = rollouts.flatMap((rollout, r) => {
    const prefixes = isKnown(rollout) ? [...new Set(rollout.samples.flatMap(startsOf))] : [];
    return prefixes.map((prefix, i): Start & { r: number } => {
      return { prompt: rollout.prompt, prefix, stream: startStream(streams?.[r] ?? r, i), r };
    });
  });
  const texts =
    starts.length === 0
      ? []
      : await continueAll(policy, starts, {
          ...request,
          samples: continuations,
          seed: request.seed ^ MONTE_CARLO_SEED,
        });
  const shares = rollouts.map(() => new Map<string, number>());
  starts.forEach(({ r, prefix }, s) => {
    const rollout = rollouts[r];
    if (rollout === undefined) return;
    const right = (texts[s] ?? []).filter((text) => checkSample(rollout, `${prefix}\n${text}`).answer_correct === true);
    shares[r]?.set(prefix, right.length / continuations);
  });
  return rollouts.map((rollout, r) => {
    if (!isKnown(rollout)) return rollout;
    const samples = rollout.samples.map((sample) => {
      return { ...sample, soft_labels: softLabels(sample, (start) => shares[r]?.get(start) ?? 0) };
    });
    return { ...rollout, samples };
  });
}
