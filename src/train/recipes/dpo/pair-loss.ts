// A micro-batch of pairs to its loss and figures: each prompt is encoded once, whether two completions or several pairs share it.

import type { T5Config } from "../../../shared/t5-config.ts";
import type { TokenizedPair } from "../../data/pairs/tokenize-pairs.ts";
import type { Sides } from "../../loss/log-ratios.ts";
import { type PairBatch, preferenceLoss, sideLogRatios } from "../../loss/preference-loss.ts";
import { isStepLoss, type LossSettings } from "../../loss/settings.ts";
import { padRows } from "../../model/batch.ts";
import { completionLogps } from "../../model/logps.ts";
import type { Parameters } from "../../model/parameters.ts";
import type { ForwardOptions } from "../../model/t5.ts";
import { type Tensor, type Tensor1D, tf } from "../../tensorflow/tensorflow.ts";
import { type PairFigures, sum } from "./figures.ts";
import { type CreditedPair, stepLoss } from "./step-loss.ts";
import { type BySide, skippedTokens } from "./token-credit.ts";

/** A pair ready for the loss. */
export interface ScoredPair extends TokenizedPair {
  /** Aggregates of the step scores; undefined where the loss needs none and none were given. */
  chosenScore?: number | undefined;
  rejectedScore?: number | undefined;
  /** The score margin that its mode made; 0 where there are no scores. */
  margin: number;
  /** Sums of log-probs under the frozen start; undefined without a reference. */
  reference?: { chosen: number; rejected: number } | undefined;
  /** For the losses of single steps: what each token counts, and its log-prob under the frozen start. */
  credit?: BySide<number[]> | undefined;
  tokenReference?: BySide<number[]> | undefined;
}

/** Distinct prompts in order of appearance, and for each pair which of them is its own. */
export function distinctPrompts(pairs: readonly { promptIds: number[] }[]): { rows: number[][]; rowOf: number[] } {
  const rows: number[][] = [];
  const known = new Map<string, number>();
  const rowOf = pairs.map(({ promptIds }) => {
    const key = promptIds.join();
    const row = known.get(key) ?? rows.push(promptIds) - 1;
    known.set(key, row);
    return row;
  });
  return { rows, rowOf };
}

/** Mean loss of a micro-batch and the figures of its pairs; `chosenOnly` leaves the rejected side out where the loss does not read it. */
export function pairLoss(
  p: Parameters,
  config: T5Config,
  pairs: readonly ScoredPair[],
  options: { loss: LossSettings; chosenOnly: boolean } & ForwardOptions,
): { loss: Tensor; figures: PairFigures } {
  const count = pairs.length;
  const { loss: settings, chosenOnly } = options;
  const { rows, rowOf } = distinctPrompts(pairs);
  const labels = pairs.map((pair) => pair.chosenIds);
  if (!chosenOnly) labels.push(...pairs.map((pair) => pair.rejectedIds));
  const { lossType } = settings;
  const skipped = pairs.map((pair) => (isStepLoss(lossType) ? skippedTokens(pair, lossType) : pair.prefixLength));
  const { sequenceLogps, tokenLogps } = completionLogps(
    p,
    config,
    { prompts: padRows(rows, config.padTokenId), labels },
    {
      ...(rows.length < count && { promptRows: chosenOnly ? rowOf : [...rowOf, ...rowOf] }),
      skip: chosenOnly ? skipped : [...skipped, ...skipped],
      gradientCheckpointing: options.gradientCheckpointing,
    },
  );
  const { loss, nll, batch } = isStepLoss(lossType)
    ? stepLoss(tokenLogps, pairs.map(creditedPair), settings)
    : wholeLoss(sequenceLogps, pairs, options);
  const promptTokens = sum(pairs.map((pair) => pair.promptIds.length));
  return {
    loss,
    figures: {
      pairs: count,
      tokens: promptTokens + sum(labels.map((row) => row.length)),
      loss: (loss.dataSync()[0] ?? Number.NaN) * count,
      ...logpFigures(sequenceLogps.dataSync(), count),
      ...scoreFigures(pairs),
      ...rewardFigures(batch, settings),
      withNll: nll === undefined ? 0 : count,
      nll: nll === undefined ? 0 : (nll.dataSync()[0] ?? Number.NaN) * count,
    },
  };
}

function creditedPair({ credit, tokenReference, chosenIds, rejectedIds }: ScoredPair): CreditedPair {
  if (credit === undefined) throw new TypeError("pairLoss: a loss of single steps needs the credit of each token");
  return { credit, reference: tokenReference, alone: chosenIds.join() === rejectedIds.join() };
}

/** The loss of whole completions, from their summed log-probs. */
function wholeLoss(
  sequenceLogps: Tensor1D,
  pairs: readonly ScoredPair[],
  { loss: settings, chosenOnly }: { loss: LossSettings; chosenOnly: boolean },
): { loss: Tensor; nll: Tensor | undefined; batch: PairBatch } {
  const count = pairs.length;
  const chosen = tf.slice(sequenceLogps, 0, count) as Tensor1D;
  // chosenOnly: the loss reads only the chosen side, whatever stands for the other
  const rejected = chosenOnly ? chosen : (tf.slice(sequenceLogps, count, count) as Tensor1D);
  const batch: PairBatch = {
    policy: { chosen, rejected },
    reference: referenceOf(pairs, settings),
    lengths: {
      chosen: tf.tensor1d(pairs.map((pair) => pair.chosenIds.length - pair.prefixLength)),
      rejected: tf.tensor1d(pairs.map((pair) => pair.rejectedIds.length - pair.prefixLength)),
    },
    scoreMargins: tf.tensor1d(pairs.map((pair) => pair.margin)),
  };
  return { ...preferenceLoss(batch, settings), batch };
}

function referenceOf(pairs: readonly ScoredPair[], settings: LossSettings): Sides | undefined {
  if (settings.referenceFree) return undefined;
  const values = (side: "chosen" | "rejected"): Tensor1D =>
    tf.tensor1d(pairs.map((pair) => pair.reference?.[side] ?? Number.NaN));
  return { chosen: values("chosen"), rejected: values("rejected") };
}

type LogpFigures = Pick<PairFigures, "chosenLogps" | "compared" | "rejectedLogps" | "preferred" | "logpMargins">;

function logpFigures(logps: ArrayLike<number>, count: number): LogpFigures {
  const values = Array.from(logps);
  const chosen = values.slice(0, count);
  const rejected = values.slice(count);
  return {
    chosenLogps: sum(chosen),
    compared: rejected.length,
    rejectedLogps: sum(rejected),
    preferred: rejected.filter((value, i) => (chosen[i] ?? 0) > value).length,
    logpMargins: rejected.length === 0 ? 0 : sum(chosen) - sum(rejected),
  };
}

function scoreFigures(pairs: readonly ScoredPair[]): Pick<PairFigures, "scored" | "chosenScores" | "rejectedScores"> {
  const scored = pairs.filter((pair) => pair.chosenScore !== undefined && pair.rejectedScore !== undefined);
  return {
    scored: scored.length,
    chosenScores: sum(scored.map((pair) => pair.chosenScore ?? 0)),
    rejectedScores: sum(scored.map((pair) => pair.rejectedScore ?? 0)),
  };
}

type RewardFigures = Pick<PairFigures, "referenced" | "chosenRewards" | "rejectedRewards" | "rewardsPreferred">;

/** Implicit rewards, beta times log(policy / reference), as TRL logs them. */
function rewardFigures(batch: PairBatch | undefined, settings: LossSettings): RewardFigures {
  if (batch?.reference === undefined)
    return { referenced: 0, chosenRewards: 0, rejectedRewards: 0, rewardsPreferred: 0 };
  const ratios = sideLogRatios(batch, settings);
  const chosen = Array.from(ratios.chosen.dataSync(), (ratio) => settings.beta * ratio);
  const rejected = Array.from(ratios.rejected.dataSync(), (ratio) => settings.beta * ratio);
  return {
    referenced: chosen.length,
    chosenRewards: sum(chosen),
    rejectedRewards: sum(rejected),
    rewardsPreferred: chosen.filter((reward, i) => reward > (rejected[i] ?? 0)).length,
  };
}
