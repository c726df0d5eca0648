// From a data path to scored pairs: load, tokenize, score once where the loss needs scores, apply the margin mode, and count everything
// that was left out.

import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { access, mkdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { InputError } from "../../../shared/errors.ts";
import type { Pair } from "../../../shared/records.ts";
import type { TextTokenizer } from "../../../shared/tokenizer.ts";
import { readOptions } from "../../data/formats/read-record.ts";
import { pairToJson } from "../../data/labelled-pair.ts";
import { mendingLines } from "../../data/mending.ts";
import { loadPairs } from "../../data/pairs/load-pairs.ts";
import type { PairOptions } from "../../data/pairs/read-pairs.ts";
import { countReasons } from "../../data/pairs/read-pairs.ts";
import { preparePairs, type TokenizedPair } from "../../data/pairs/tokenize-pairs.ts";
import { isStepLoss, needsMargins, needsScores } from "../../loss/settings.ts";
import { rewardModelKey } from "../../reward/reward-model.ts";
import { openScoreCache } from "../../reward/scoring/score-cache.ts";
import { hasGivenScores, hasGivenStepScores, scorePairs } from "../../reward/scoring/score-pairs.ts";
import { loadScorer, scoringProcesses } from "../../reward/scoring/scoring-processes.ts";
import { hashModel } from "../../store/hash.ts";
import type { Model } from "../../store/model-folder.ts";
import { newlineTokenId } from "../rollout/prefix-ids.ts";
import { interruptedScoring } from "../run/run-errors.ts";
import type { TrainConfig } from "./config.ts";
import { applyMarginMode, type MarginReport, reportMargins } from "./margins.ts";
import type { ScoredPair } from "./pair-loss.ts";
import { referenceLogps, referenceTokenLogps } from "./reference-logps.ts";
import { creditOfTokens, type StepScores, skippedTokens } from "./token-credit.ts";

export interface TrainingData {
  train: ScoredPair[];
  eval: ScoredPair[];
  /** Of the training pairs; undefined where the loss needs no scores. */
  margins: MarginReport | undefined;
  /** Pairs left out of training and evaluation, by reason. */
  dropped: Record<string, number>;
  /** Training pairs that the reward model scored; the others brought their scores, or need none. */
  judged: number;
  /** sha256 of the training pairs: a resumed run must see the same. */
  hash: string;
  /** sha256 of the frozen start, where the loss has it as its reference. */
  referenceHash: string | null;
}

export interface ScoringOptions {
  /** Completions scored, and to be scored: those whose scores are not kept from before. */
  onProgress?: ((done: number, total: number) => void) | undefined;
  /** Heard between two chunks of completions; those scored so far are kept. */
  signal?: AbortSignal | undefined;
  /** Pairs to train on in place of those of `config.data`, which then only says where scores are kept. */
  pairs?: readonly Pair[] | undefined;
  /** The first records of a file that could not be read, each with its place and what is wrong. */
  onBadRecord?: ((line: string) => void) | undefined;
}

/** So many bad records of a file are told one by one. */
const MAX_TOLD = 5;

/** How the run's data are read. */
export function pairOptions(config: TrainConfig): PairOptions {
  return { ...readOptions(config), ...(config.split !== null && { split: config.split }) };
}

/**
 * Loads both splits, scored where `config` needs scores (the reward model is not opened otherwise). Throws InputError when no pair is
 * left to train on, CapacityError "interrupted".
 */
export async function loadTrainingData(
  config: TrainConfig,
  tokenizer: TextTokenizer,
  rewardModelDir: string,
  options: ScoringOptions = {},
): Promise<TrainingData> {
  const dropped: Record<string, number> = {};
  const limits = { ...config, sidesMayBeEqual: config.lossType === "sft" || config.lossType === "grpo" };
  const load = async (split: "train" | "eval"): Promise<TokenizedPair[]> => {
    const loaded =
      options.pairs === undefined
        ? await loadPairs(config.data, split, pairOptions(config))
        : { pairs: split === "train" ? options.pairs : [], dropped: [] };
    for (const { reason } of loaded.dropped) dropped[reason] = (dropped[reason] ?? 0) + 1;
    for (const { where, what } of loaded.dropped.slice(0, MAX_TOLD))
      options.onBadRecord?.(`left out: ${where}: ${what}`);
    for (const line of mendingLines(Object.keys(countReasons(loaded.dropped)))) options.onBadRecord?.(line);
    const prepared = preparePairs(loaded.pairs, tokenizer, limits);
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
  const isScored = needsMargins(config);
  const scored = needsScores(config)
    ? await scoresOfPairs([...train, ...evaluation], config, rewardModelDir, options)
    : [...train, ...evaluation].map(withGivenScores);
  const newline = newlineTokenId(tokenizer);
  const creditOf = ({ stepScores, ...pair }: PairWithScores): Pick<ScoredPair, "credit"> => {
    const { lossType } = config;
    if (!isStepLoss(lossType) || stepScores === undefined) return {};
    return { credit: creditOfTokens(pair, stepScores, { ...config, lossType, newline }) };
  };
  const withMargins = (pairs: readonly PairWithScores[]): ScoredPair[] =>
    pairs.flatMap((pair) => {
      const margin = isScored ? applyMarginMode(marginOf(pair), config.marginMode) : 0;
      if (margin === undefined) {
        dropped["margin not positive (margin_mode skip)"] =
          (dropped["margin not positive (margin_mode skip)"] ?? 0) + 1;
        return [];
      }
      return [{ ...pair, margin, ...creditOf(pair) }];
    });
  const margins = isScored ? reportMargins(scored.slice(0, train.length).map(marginOf)) : undefined;
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
    .update(
      JSON.stringify(
        ready.map(({ pair, margin, credit }) =>
          credit ? [pairToJson(pair), margin, credit] : [pairToJson(pair), margin],
        ),
      ),
    )
    .digest("hex");
  const isGiven = isStepLoss(config.lossType) ? hasGivenStepScores : hasGivenScores;
  const judged = needsScores(config) ? ready.filter(({ pair }) => !isGiven(pair)).length : 0;
  const evaluated = withMargins(scored.slice(train.length));
  return { train: ready, eval: evaluated, margins, dropped, judged, hash, referenceHash: null };
}

/** The data with the reference's log-probs on every pair; `base` is the frozen start, from `baseDir`. Throws the signal's reason. */
export async function withReference(
  data: TrainingData,
  config: TrainConfig,
  base: { model: Model; dir: string },
  options: ScoringOptions = {},
): Promise<TrainingData> {
  const modelHash = await hashModel(base.dir);
  const pairs = [...data.train, ...data.eval];
  const cacheDir = await cacheFolder(config, ".ref-logps");
  const reference = { model: base.model, modelHash, cacheDir, processes: config.workers, ...options };
  const { lossType } = config;
  const referenced = isStepLoss(lossType)
    ? await referenceTokenLogps(
        pairs.map((pair) => ({ ...pair, prefixLength: skippedTokens(pair, lossType) })),
        reference,
      ).then((logps) => pairs.map((pair, i) => ({ ...pair, tokenReference: logps[i] })))
    : await referenceLogps(pairs, reference).then((logps) =>
        pairs.map((pair, i) => ({ ...pair, reference: logps[i] })),
      );
  return {
    ...data,
    train: referenced.slice(0, data.train.length),
    eval: referenced.slice(data.train.length),
    referenceHash: modelHash,
  };
}

type PairWithScores = TokenizedPair & {
  chosenScore: number | undefined;
  rejectedScore: number | undefined;
  stepScores?: StepScores | undefined;
};

function marginOf({ chosenScore, rejectedScore }: PairWithScores): number {
  return (chosenScore ?? Number.NaN) - (rejectedScore ?? Number.NaN);
}

/** Scores that come with the data are shown in the metrics, also where the loss does not need them. */
function withGivenScores(pair: TokenizedPair): PairWithScores {
  const given = hasGivenScores(pair.pair);
  return {
    ...pair,
    chosenScore: given ? pair.pair.chosen_score : undefined,
    rejectedScore: given ? pair.pair.rejected_score : undefined,
  };
}

/** Where dear values are kept: beside the data, so that other runs find them; in the run's own folder where the data's is not writable. */
async function cacheFolder({ data, outputDir }: TrainConfig, name: string): Promise<string> {
  const beside = join((await stat(data)).isDirectory() ? data : dirname(data), name);
  const isWritable = await mkdir(beside, { recursive: true })
    .then(() => access(beside, constants.W_OK))
    .then(
      () => true,
      () => false,
    );
  return isWritable ? beside : join(outputDir, name);
}

async function scoresOfPairs(
  pairs: readonly TokenizedPair[],
  config: TrainConfig,
  rewardModelDir: string,
  { onProgress, signal }: ScoringOptions,
): Promise<PairWithScores[]> {
  const options = { context: config.judgeContext, aggregation: config.aggregation };
  const texts: Pair[] = pairs.map(({ pair }) => pair);
  const isGiven = isStepLoss(config.lossType) ? hasGivenStepScores : hasGivenScores;
  const needJudge = texts.some((pair) => !isGiven(pair));
  const judgeKey = needJudge ? await rewardModelKey(rewardModelDir, options) : "given";
  const cache = await openScoreCache(
    join(
      await cacheFolder(config, ".step-scores"),
      `${createHash("sha256").update(judgeKey).digest("hex").slice(0, 16)}.jsonl`,
    ),
    judgeKey,
  );
  const scores = await scorePairs({
    pairs: texts,
    cache,
    load: (completions) => loadScorer(rewardModelDir, scoringProcesses(completions), options),
    aggregation: config.aggregation,
    needSteps: isStepLoss(config.lossType),
    onProgress: (done, total) => {
      onProgress?.(done, total);
      if (signal?.aborted && done < total) throw interruptedScoring(done, total);
    },
  });
  return pairs.map((pair, i) => {
    const { chosen, rejected, chosenSteps, rejectedSteps } = scores[i] ?? {};
    const stepScores = chosenSteps && rejectedSteps && { chosen: chosenSteps, rejected: rejectedSteps };
    return { ...pair, chosenScore: chosen, rejectedScore: rejected, stepScores };
  });
}
