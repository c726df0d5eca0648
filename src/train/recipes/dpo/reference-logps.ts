// Log-probs of both sides of every pair under the frozen start, computed once before training and kept on disk: no second model stays
// in memory. Batches are cut the same way whatever is cached, so that a stopped and continued run has the same bits as a straight one.

import { createHash } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import type { TokenizedPair } from "../../data/pairs/tokenize-pairs.ts";
import { openJsonlCache } from "../../io/jsonl-cache.ts";
import type { Model } from "../../store/model-folder.ts";
import { type ReferenceCompletion, shareBatches } from "./reference-batches.ts";

/** Completions a forward pass. */
const BATCH = 16;

/** Batches for which starting a process (some seconds) pays. */
const WORTH_A_PROCESS = 8;

export interface ReferenceOptions {
  model: Model;
  /** Processes that may share the work, this one among them; the others load the folder of `model`. Default 1. */
  processes?: number | undefined;
  /** Names the weights of `model`. */
  modelHash: string;
  /** Folder of the values that are kept. */
  cacheDir: string;
  onProgress?: ((done: number, total: number) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Sums of log-probs of both completions of every pair, in the order of the pairs. Throws the signal's reason when it is aborted; what was
 * computed by then is kept.
 */
export async function referenceLogps(
  pairs: readonly TokenizedPair[],
  options: ReferenceOptions,
): Promise<{ chosen: number; rejected: number }[]> {
  const logps = await keptLogps(pairs, options, `${options.modelHash.slice(0, 16)}.jsonl`);
  const sumOf = (kept: number | number[] | undefined): number => (typeof kept === "number" ? kept : Number.NaN);
  return logps.map(({ chosen, rejected }) => ({ chosen: sumOf(chosen), rejected: sumOf(rejected) }));
}

/** The same by token, from each pair's `prefixLength` on: for losses in which every step has its own weight. */
export async function referenceTokenLogps(
  pairs: readonly TokenizedPair[],
  options: ReferenceOptions,
): Promise<{ chosen: number[]; rejected: number[] }[]> {
  const logps = await keptLogps(pairs, options, `${options.modelHash.slice(0, 16)}.tokens.jsonl`);
  const listOf = (kept: number | number[] | undefined): number[] => (Array.isArray(kept) ? kept : []);
  return logps.map(({ chosen, rejected }) => ({ chosen: listOf(chosen), rejected: listOf(rejected) }));
}

/** Sums are kept as numbers, log-probs by token as lists. */
const keptSchema = z.union([z.number(), z.array(z.number())]);

type Kept = z.infer<typeof keptSchema> | undefined;

async function keptLogps(
  pairs: readonly TokenizedPair[],
  { model, modelHash, cacheDir, processes = 1, onProgress, signal }: ReferenceOptions,
  file: string,
): Promise<{ chosen: Kept; rejected: Kept }[]> {
  const byToken = file.endsWith(".tokens.jsonl");
  const cache = await openJsonlCache(join(cacheDir, file), "logp", keptSchema);
  const sides = pairs.map((pair) => ({
    chosen: completionOf(pair, pair.chosenIds, modelHash),
    rejected: completionOf(pair, pair.rejectedIds, modelHash),
  }));
  const batches = cutBatches(sides.flatMap(({ chosen, rejected }) => [chosen, rejected]));
  const missing = batches.filter((batch) => batch.some(({ key }) => cache.get(key) === undefined));
  let done = 0;
  const kept = async (batch: readonly ReferenceCompletion[], logps: readonly (number | number[])[]): Promise<void> => {
    await cache.put(batch.map(({ key }, i) => ({ key, value: logps[i] ?? Number.NaN })));
    onProgress?.(++done, missing.length);
  };
  await shareBatches(missing, {
    model,
    byToken,
    processes: Math.max(1, Math.min(processes, Math.floor(missing.length / WORTH_A_PROCESS))),
    kept,
    signal,
  });
  return sides.map(({ chosen, rejected }) => ({ chosen: cache.get(chosen.key), rejected: cache.get(rejected.key) }));
}

function completionOf(pair: TokenizedPair, ids: number[], modelHash: string): ReferenceCompletion {
  const { promptIds, prefixLength } = pair;
  const key = createHash("sha256")
    .update(JSON.stringify([modelHash, promptIds, ids, prefixLength]))
    .digest("hex");
  return { key, promptIds, ids, prefixLength };
}

/** Distinct completions, those of one prompt together, by length, in fixed batches. */
function cutBatches(completions: readonly ReferenceCompletion[]): ReferenceCompletion[][] {
  const distinct = [...new Map(completions.map((completion) => [completion.key, completion])).values()];
  const prompt = new Map(distinct.map((completion) => [completion.key, completion.promptIds.join()]));
  const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
  distinct.sort(
    (a, b) =>
      a.promptIds.length - b.promptIds.length ||
      compare(prompt.get(a.key) ?? "", prompt.get(b.key) ?? "") ||
      a.ids.length - b.ids.length ||
      compare(a.key, b.key),
  );
  const batches: ReferenceCompletion[][] = [];
  for (let i = 0; i < distinct.length; i += BATCH) batches.push(distinct.slice(i, i + BATCH));
  return batches;
}
