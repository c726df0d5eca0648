// rollout_report.json: what was sampled, how good it was, and how many problems gave no pair, and why.

import { auc } from "../../evaluate/metrics/auc.ts";
import { hardLabels } from "./monte-carlo.ts";
import type { MadePairs } from "./pairs.ts";
import { passAtK } from "./pass-at-k.ts";
import { isRight, type Rollout, type RolloutSample } from "./rollout.ts";

export interface SampleStats {
  problems: number;
  samples: number;
  /** Samples without a step: counted as wrong. */
  empty: number;
  /** Samples cut at the longest length. */
  unfinished: number;
  tokens: number;
  /** Shares over the samples whose problem lets it be known; null when none does. */
  exact: number | null;
  answer_correct: number | null;
  /** Right steps over all steps, by the checker. */
  step_validity: number | null;
  /** Problems with at least one right sample, over those with a known answer. */
  solved: number | null;
  /** Chance that one of k samples is right, by k. */
  pass_at_k: Record<string, number>;
  scores: {
    mean: number;
    right: number | null;
    wrong: number | null;
    /** Chance that a right sample outscores a wrong one. */
    auc: number | null;
  };
  /** Steps that Monte Carlo's hard labels and the checker label alike; null without either. */
  monte_carlo_agreement: number | null;
}

const mean = (values: readonly number[]): number | null =>
  values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
const share = (flags: readonly boolean[]): number | null => mean(flags.map(Number));
const known = (flags: readonly (boolean | undefined)[]): boolean[] => flags.filter((flag) => flag !== undefined);

/** Figures of all samples. */
export function sampleStats(rollouts: readonly Rollout[]): SampleStats {
  const samples = rollouts.flatMap((rollout) => rollout.samples);
  const rated = samples.flatMap((sample): [RolloutSample, boolean][] => {
    const right = isRight(sample);
    return right === undefined ? [] : [[sample, right]];
  });
  const ofRight = rated.filter(([, right]) => right).map(([{ score }]) => score);
  const ofWrong = rated.filter(([, right]) => !right).map(([{ score }]) => score);
  const area = auc(
    rated.map(([{ score }]) => score),
    rated.map(([, right]) => right),
  );
  const outcomes = rollouts
    .map((rollout) => known(rollout.samples.map(isRight)))
    .filter((rights) => rights.length > 0)
    .map((rights) => ({ n: rights.length, right: rights.filter(Boolean).length }));
  const most = Math.max(0, ...outcomes.map(({ n }) => n));
  const ks = [...new Set([1, 2, 4, 8, 16, 32, 64, most])].filter((k) => k >= 1 && k <= most).sort((a, b) => a - b);
  const agreement = samples.flatMap(({ step_labels, soft_labels }) => {
    const hard = soft_labels && hardLabels(soft_labels);
    return step_labels !== undefined && hard !== undefined ? step_labels.map((label, i) => label === hard[i]) : [];
  });
  return {
    problems: rollouts.length,
    samples: samples.length,
    empty: samples.filter(({ completion }) => completion === "").length,
    unfinished: samples.filter(({ finished }) => !finished).length,
    tokens: samples.reduce((sum, { tokens }) => sum + tokens, 0),
    exact: share(known(samples.map(({ exact }) => exact))),
    answer_correct: share(known(samples.map(({ answer_correct }) => answer_correct))),
    step_validity: share(samples.flatMap(({ step_labels }) => step_labels ?? [])),
    solved: share(outcomes.map(({ right }) => right > 0)),
    pass_at_k: Object.fromEntries(
      ks.map((k) => [k, mean(outcomes.filter(({ n }) => n >= k).map(({ n, right }) => passAtK(n, right, k))) ?? 0]),
    ),
    scores: {
      mean: mean(samples.map(({ score }) => score)) ?? 0,
      right: mean(ofRight),
      wrong: mean(ofWrong),
      auc: Number.isNaN(area) ? null : area,
    },
    monte_carlo_agreement: share(agreement),
  };
}

export interface PairStats {
  pairs: number;
  /** Problems without a pair of this kind, by reason. */
  without: Record<string, number>;
  /** Mean of chosen minus rejected score, and how many pairs it reverses. */
  mean_margin: number;
  reversed: number;
}

/** Figures of the pairs of one kind. */
export function pairStats({ pairs, without }: MadePairs): PairStats {
  const margins = pairs.map(({ chosen_score = 0, rejected_score = 0 }) => chosen_score - rejected_score);
  const reversed = margins.filter((margin) => margin < 0).length;
  return { pairs: pairs.length, without, mean_margin: mean(margins) ?? 0, reversed };
}
