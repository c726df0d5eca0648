// Log-probs of both sides of every pair under the frozen start, computed once before training and kept on disk: no second model stays
// in memory. Batches are cut the same way whatever is cached, so that a stopped and continued run has the same bits as a straight one.

import { createHash } from "node:crypto";
import { join } from "node:path";
import { setImmediate as turnOfEventLoop } from "node:timers/promises";
import { z } from "zod";
import type { TokenizedPair } from "../../data/pairs/tokenize-pairs.ts";
import { openJsonlCache } from "../../io/jsonl-cache.ts";
import { padRows } from "../../model/batch.ts";
import { completionLogps } from "../../model/logps.ts";
import type { Model } from "../../store/model-folder.ts";
import { tf } from "../../tensorflow/tensorflow.ts";
import { distinctPrompts } from "./pair-loss.ts";

/** Completions a forward pass. */
const BATCH = 16;

interface Completion {
  key: string;
  promptIds: number[];
  ids: number[];
  prefixLength: number;
}

export interface ReferenceOptions {
  model: Model;
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
  { model, modelHash, cacheDir, onProgress, signal }: ReferenceOptions,
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
  for (const [done, batch] of missing.entries()) {
    await turnOfEventLoop();
    signal?.throwIfAborted();
    const logps = byToken ? batchTokenLogps(model, batch) : batchLogps(model, batch);
    await cache.put(batch.map(({ key }, i) => ({ key, value: logps[i] ?? Number.NaN })));
    onProgress?.(done + 1, missing.length);
  }
  return sides.map(({ chosen, rejected }) => ({ chosen: cache.get(chosen.key), rejected: cache.get(rejected.key) }));
}

function completionOf(pair: TokenizedPair, ids: number[], modelHash: string): Completion {
  const { promptIds, prefixLength } = pair;
  const key = createHash("sha256")
    .update(JSON.stringify([modelHash, promptIds, ids, prefixLength]))
    .digest("hex");
  return { key, promptIds, ids, prefixLength };
}

/** Distinct completions, those of one prompt together, by length, in fixed batches. */
function cutBatches(completions: readonly Completion[]): Completion[][] {
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
  const batches: Completion[][] = [];
  for (let i = 0; i < distinct.length; i += BATCH) batches.push(distinct.slice(i, i + BATCH));
  return batches;
}

function logpsOf({ parameters, config }: Model, batch: readonly Completion[]): ReturnType<typeof completionLogps> {
  const { rows, rowOf } = distinctPrompts(batch);
  const labels = batch.map(({ ids }) => ids);
  const skip = batch.map(({ prefixLength }) => prefixLength);
  return completionLogps(
    parameters,
    config,
    { prompts: padRows(rows, config.padTokenId), labels },
    { promptRows: rowOf, skip },
  );
}

function batchLogps(model: Model, batch: readonly Completion[]): number[] {
  return tf.tidy(() => [...logpsOf(model, batch).sequenceLogps.dataSync()]);
}

function batchTokenLogps(model: Model, batch: readonly Completion[]): number[][] {
  const flat = tf.tidy(() => [...logpsOf(model, batch).tokenLogps.dataSync()]);
  let next = 0;
  return batch.map(({ ids, prefixLength }) => {
    const start = next;
    next += ids.length - prefixLength;
    return flat.slice(start, next);
  });
}
