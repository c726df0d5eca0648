// What a model prefers of given pairs: log-probabilities of both sides, their margins, and, against a baseline, the implicit reward
// of DPO (Rafailov et al. 2023, arXiv:2305.18290, eq. 5) with beta 1.

import { setImmediate as turnOfEventLoop } from "node:timers/promises";
import { preparePairs, type TokenizedPair } from "../data/pairs/tokenize-pairs.ts";
import type { EvaluationItem } from "../data/problems/items.ts";
import { createProgress } from "../io/progress.ts";
import { padRows } from "../model/batch.ts";
import { completionLogps } from "../model/logps.ts";
import type { FolderTokenizer, Model } from "../store/model-folder.ts";
import { tf } from "../tensorflow/tensorflow.ts";
import { type Column, groupedColumn, type Resampler } from "./metrics/bootstrap.ts";
import { histogramOf } from "./metrics/histogram.ts";
import type { PreferenceMetrics, Role } from "./result.ts";

/** Log-probabilities of one pair, and its item. */
export interface PairLogps {
  unit: number;
  chosen: number;
  rejected: number;
  chosenTokens: number;
  rejectedTokens: number;
}

const BATCH = 16;
const LIMITS = { maxPromptLength: 2048, maxCompletionLength: 2048 };

/** Log-probabilities of all pairs of the items, in order; pairs that cannot be tokenized are counted by reason. */
export async function pairLogps(
  model: Model,
  tokenizer: FolderTokenizer,
  items: readonly EvaluationItem[],
  options: { name: string; signal?: AbortSignal | undefined },
): Promise<{ pairs: PairLogps[]; dropped: Record<string, number> }> {
  const dropped: Record<string, number> = {};
  const tokenized = items.flatMap((item, unit) => {
    const prepared = preparePairs(item.pairs, tokenizer, LIMITS);
    for (const [reason, count] of Object.entries(prepared.dropped)) dropped[reason] = (dropped[reason] ?? 0) + count;
    return prepared.pairs.map((pair) => ({ ...pair, unit }));
  });
  const size = (pair: TokenizedPair): number => Math.max(pair.chosenIds.length, pair.rejectedIds.length);
  const order = tokenized
    .map((_, i) => i)
    .sort((a, b) => {
      const [left, right] = [tokenized[a], tokenized[b]];
      return left === undefined || right === undefined ? 0 : size(left) - size(right);
    });
  const logps: PairLogps[] = new Array(tokenized.length);
  const bar = createProgress({ title: `log-probs (${options.name})`, total: tokenized.length });
  try {
    for (let start = 0; start < order.length; start += BATCH) {
      await turnOfEventLoop();
      options.signal?.throwIfAborted();
      const indices = order.slice(start, start + BATCH);
      const batch = indices.flatMap((i) => tokenized[i] ?? []);
      const sums = sequenceLogps(model, batch);
      indices.forEach((i, r) => {
        const pair = tokenized[i];
        if (pair === undefined) return;
        logps[i] = {
          unit: pair.unit,
          chosen: sums[r] ?? Number.NaN,
          rejected: sums[indices.length + r] ?? Number.NaN,
          chosenTokens: pair.chosenIds.length - pair.prefixLength,
          rejectedTokens: pair.rejectedIds.length - pair.prefixLength,
        };
      });
      bar.update(start + indices.length);
    }
  } finally {
    bar.stop();
  }
  return { pairs: logps, dropped };
}

/** [2B]: the chosen sides, then the rejected. */
function sequenceLogps({ parameters, config }: Model, batch: readonly TokenizedPair[]): Float32Array {
  return tf.tidy(() => {
    const prompts = padRows(
      batch.map(({ promptIds }) => promptIds),
      config.padTokenId,
    );
    const labels = [...batch.map(({ chosenIds }) => chosenIds), ...batch.map(({ rejectedIds }) => rejectedIds)];
    const prefixes = batch.map(({ prefixLength }) => prefixLength);
    const skip = [...prefixes, ...prefixes];
    return completionLogps(parameters, config, { prompts, labels }, { skip }).sequenceLogps.dataSync<"float32">();
  });
}

export type PreferenceFigure =
  | "accuracy"
  | "accuracy_per_token"
  | "logps_margin"
  | "logps_margin_per_token"
  | "logps_chosen"
  | "logps_rejected";

export const margin = (pair: PairLogps): number => pair.chosen - pair.rejected;
const perToken = (pair: PairLogps): number => pair.chosen / pair.chosenTokens - pair.rejected / pair.rejectedTokens;
/** 1, 0, or 1/2 for a tie. */
export const preferred = (difference: number): number => (Math.sign(difference) + 1) / 2;

/** One column a figure, over `size` items. */
export function preferenceColumns(pairs: readonly PairLogps[], size: number): Record<PreferenceFigure, Column> {
  const units = pairs.map(({ unit }) => unit);
  const column = (of: (pair: PairLogps) => number): Column => groupedColumn(units, pairs.map(of), size);
  return {
    accuracy: column((pair) => preferred(margin(pair))),
    accuracy_per_token: column((pair) => preferred(perToken(pair))),
    logps_margin: column(margin),
    logps_margin_per_token: column(perToken),
    logps_chosen: column(({ chosen }) => chosen),
    logps_rejected: column(({ rejected }) => rejected),
  };
}

/** All figures of one model; `reference` holds the baseline's log-probs of the same pairs. */
export function preferenceMetrics(
  role: Role,
  pairs: readonly PairLogps[],
  columns: Record<PreferenceFigure, Column>,
  context: { resampler: Resampler; edges: readonly number[]; reference?: readonly PairLogps[] | undefined },
): PreferenceMetrics {
  const { resampler, edges, reference } = context;
  const size = columns.accuracy.sums.length;
  const units = pairs.map(({ unit }) => unit);
  const implicit = reference && pairs.map((pair, i) => margin(pair) - (reference[i] ? margin(reference[i]) : 0));
  return {
    role,
    pairs: pairs.length,
    accuracy: resampler.mean(columns.accuracy),
    accuracy_per_token: resampler.mean(columns.accuracy_per_token),
    logps_margin: resampler.mean(columns.logps_margin),
    logps_margin_per_token: resampler.mean(columns.logps_margin_per_token),
    logps_chosen: resampler.mean(columns.logps_chosen),
    logps_rejected: resampler.mean(columns.logps_rejected),
    margin_histogram: histogramOf(pairs.map(margin), edges),
    implicit:
      implicit === undefined
        ? null
        : {
            accuracy: resampler.mean(groupedColumn(units, implicit.map(preferred), size)),
            margin: resampler.mean(groupedColumn(units, implicit, size)),
          },
  };
}
