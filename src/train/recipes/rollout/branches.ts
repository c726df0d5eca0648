// Next steps written again from the right start of wrong samples, where no other sample shows a right one: the policy's own material for
// step-level pairs. Decoding is forced through the start and stops at the end of the step.

import { splitSteps } from "../../../shared/steps.ts";
import { scoresInOrder } from "../../reward/scoring/score-all.ts";
import type { Scorer as RewardScorer } from "../../reward/scoring/scoring-processes.ts";
import { checkSample } from "./check-sample.ts";
import { type ContinueOptions, continueAll, type Start, startStream } from "./continuations.ts";
import { newlineTokenId } from "./prefix-ids.ts";
import { RIGHT_SCORE, type Rollout, type RolloutBranch } from "./rollout.ts";
import type { Policy } from "./sample-rollouts.ts";
import type { ScorerName } from "./score-rollouts.ts";
import { mistakesOf, rightContinuations } from "./step-pairs.ts";

export interface BranchOptions extends Omit<ContinueOptions, "stopTokenIds"> {
  scorer: ScorerName;
  rewardModel?: RewardScorer | undefined;
  /** Number of each rollout's random stream; default its index. */
  streams?: readonly number[] | undefined;
}

/** Branches draw other numbers than the samples of the same seed. */
const BRANCH_SEED = 0x9e3779b9;

/** The rollouts with `branches` wherever a first mistake has no right step beside it. */
export async function branchRollouts(
  policy: Policy,
  rollouts: readonly Rollout[],
  options: BranchOptions,
): Promise<Rollout[]> {
  const { scorer, rewardModel, streams, ...request } = options;
  const starts = rollouts.flatMap((rollout, r) => {
    const open = mistakesOf(rollout).filter(({ prefix }) => rightContinuations(rollout, prefix).length === 0);
    const prefixes = [...new Set(open.map(({ prefix }) => prefix))];
    return prefixes.map((prefix, i): Start & { r: number } => {
      return { prompt: rollout.prompt, prefix, stream: startStream(streams?.[r] ?? r, i), r };
    });
  });
  if (starts.length === 0) return [...rollouts];
  const newline = newlineTokenId(policy.tokenizer);
  const texts = await continueAll(policy, starts, {
    ...request,
    seed: request.seed ^ BRANCH_SEED,
    ...(newline !== undefined && { stopTokenIds: [newline] }),
  });
  const found = starts.flatMap((start, s) => {
    const steps = new Set((texts[s] ?? []).flatMap((text) => splitSteps(text).slice(0, 1)).map(({ text }) => text));
    return [...steps].map((step) => ({
      ...start,
      step,
      text: start.prefix === "" ? step : `${start.prefix}\n${step}`,
    }));
  });
  const judge = scorer === "judge" || scorer === "both" ? rewardModel : undefined;
  const asked = found.map(({ prompt, text }) => ({ prompt, completion: text }));
  const scored = judge === undefined ? [] : await scoresInOrder(judge, asked);
  const spent = new Map<number, number>();
  starts.forEach(({ r }, s) => {
    const tokens = (texts[s] ?? []).reduce((sum, text) => sum + policy.tokenizer.encode(text).length, 0);
    spent.set(r, (spent.get(r) ?? 0) + tokens);
  });
  const branches = new Map<number, RolloutBranch[]>();
  found.forEach(({ r, prefix, step, text }, i) => {
    const rollout = rollouts[r];
    const label = rollout === undefined ? undefined : checkSample(rollout, text).step_labels?.at(-1);
    const judged = scored[i]?.stepScores.at(-1);
    const score = scorer === "judge" ? (judged ?? 0) : Number(label ?? false) * (judged ?? 1);
    const branch = { prefix, step, right: label ?? score >= RIGHT_SCORE, score };
    branches.set(r, [...(branches.get(r) ?? []), branch]);
  });
  return rollouts.map((rollout, r) => {
    const own = branches.get(r);
    const tokens = spent.get(r);
    return {
      ...rollout,
      ...(own !== undefined && { branches: own }),
      ...(tokens !== undefined && { extra_tokens: (rollout.extra_tokens ?? 0) + tokens }),
    };
  });
}
