// From a data path to scored pairs: load, tokenize, score once, apply the margin mode, and count everything that was left out.

import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { InputError } from "../../shared/errors.ts";
import type { Pair } from "../../shared/records.ts";
import type { TextTokenizer } from "../../shared/tokenizer.ts";
import { loadPairs } from "../data/load-pairs.ts";
import { loadRewardModel, rewardModelKey } from "../reward/reward-model.ts";
import { openScoreCache } from "../reward/score-cache.ts";
import { hasGivenScores, scorePairs } from "../reward/score-pairs.ts";
import type { TrainConfig } from "../run-config.ts";
import { applyMarginMode, type MarginReport, reportMargins } from "./margins.ts";
import { preparePairs, type TokenizedPair } from "./prepare-pairs.ts";
import { interruptedScoring } from "./run-errors.ts";
import type { ScoredPair } from "./train-step.ts";

export interface TrainingData {
  train: ScoredPair[];
  eval: ScoredPair[];
  margins: MarginReport;
  /** Pairs left out of training and evaluation, by reason. */
  dropped: Record<string, number>;
  /** Training pairs that the reward model scored; the others brought their scores. */
  judged: number;
  /** sha256 of the training pairs: a resumed run must see the same. */
  hash: string;
}

export interface ScoringOptions {
  /** Completions scored, and to be scored: those whose scores are not kept from before. */
  onProgress?: ((done: number, total: number) => void) | undefined;
  /** Heard between two chunks of completions; those scored so far are kept. */
  signal?: AbortSignal | undefined;
}

/** Loads and scores both splits. Throws InputError when no pair is left to train on, CapacityError "interrupted". */
export async function loadTrainingData(
  config: TrainConfig,
  tokenizer: TextTokenizer,
  rewardModelDir: string,
  options: ScoringOptions = {},
): Promise<TrainingData> {
  const dropped: Record<string, number> = {};
  const load = async (split: "train" | "eval"): Promise<TokenizedPair[]> => {
    const loaded = await loadPairs(config.data, split);
    for (const { reason } of loaded.dropped) dropped[reason] = (dropped[reason] ?? 0) + 1;
    const prepared = preparePairs(loaded.pairs, tokenizer, config);
    for (const [reason, count] of Object.entries(prepared.dropped)) dropped[reason] = (dropped[reason] ?? 0) + count;
    return prepared.pairs;
  };
  const train = await load("train");
  if (train.length === 0) {
    throw new InputError({
      code: "no_pairs",
      what: `no pair is left to train on; left out: ${JSON.stringify(dropped)}`,
      where: config.data,
      fix: "Check the file, or raise --max-prompt-length or --max-completion-length.",
    });
  }
  const evaluation = await load("eval");
  const scored = await scoreAll([...train, ...evaluation], config, rewardModelDir, options);
  const withMargins = (
    pairs: readonly (TokenizedPair & { chosenScore: number; rejectedScore: number })[],
  ): ScoredPair[] =>
    pairs.flatMap((pair) => {
      const margin = applyMarginMode(pair.chosenScore - pair.rejectedScore, config.marginMode);
      if (margin === undefined) {
        dropped["margin not positive (margin_mode skip)"] =
          (dropped["margin not positive (margin_mode skip)"] ?? 0) + 1;
        return [];
      }
      return [{ ...pair, margin }];
    });
  const margins = reportMargins(scored.slice(0, train.length).map((pair) => pair.chosenScore - pair.rejectedScore));
  const ready = withMargins(scored.slice(0, train.length));
  if (ready.length === 0) {
    throw new InputError({
      code: "no_pairs",
      what: "margin_mode skip left no pair",
      where: config.data,
      fix: "Use another --margin-mode or reward model.",
    });
  }
  const hash = createHash("sha256")
    .update(JSON.stringify(ready.map(({ pair, margin }) => [pair, margin])))
    .digest("hex");
  const judged = ready.filter(({ pair }) => !hasGivenScores(pair)).length;
  return { train: ready, eval: withMargins(scored.slice(train.length)), margins, dropped, judged, hash };
}

async function scoreAll(
  pairs: readonly TokenizedPair[],
  config: TrainConfig,
  rewardModelDir: string,
  { onProgress, signal }: ScoringOptions,
): Promise<(TokenizedPair & { chosenScore: number; rejectedScore: number })[]> {
  const options = { context: config.judgeContext, aggregation: config.aggregation };
  const texts: Pair[] = pairs.map(({ pair }) => pair);
  const needJudge = texts.some((pair) => !hasGivenScores(pair));
  const judgeKey = needJudge ? await rewardModelKey(rewardModelDir, options) : "given";
  const dataDir = (await stat(config.data)).isDirectory() ? config.data : dirname(config.data);
  const cache = await openScoreCache(
    join(dataDir, ".step-scores", `${createHash("sha256").update(judgeKey).digest("hex").slice(0, 16)}.jsonl`),
    judgeKey,
  );
  const scores = await scorePairs({
    pairs: texts,
    cache,
    load: () => loadRewardModel(rewardModelDir, options),
    aggregation: config.aggregation,
    onProgress: (done, total) => {
      onProgress?.(done, total);
      if (signal?.aborted && done < total) throw interruptedScoring(done, total);
    },
  });
  return pairs.map((pair, i) => ({
    ...pair,
    chosenScore: scores[i]?.chosen ?? 0,
    rejectedScore: scores[i]?.rejected ?? 0,
  }));
}
