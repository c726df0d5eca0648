// Decodes a batch of rows until each has ended. Finished rows leave the batch, so that nothing is computed for them.

import { rowRng } from "../../../shared/row-rng.ts";
import { type SamplingOptions, sampleToken } from "../../../shared/sampling.ts";
import type { T5Config } from "../../../shared/t5-config.ts";
import type { DecoderSessions } from "./decoder-sessions.ts";

/** One completion to be written. */
export interface DecodeRow {
  promptIds: readonly number[];
  /** Tokens that the completion starts with; they are not part of the result. */
  prefixIds: readonly number[];
  /** What the row's random numbers follow from, with the seed. */
  stream: number;
  sample: number;
}

export interface DecodeOptions {
  maxNewTokens: number;
  sampling: SamplingOptions;
  seed: number;
  /** A row also ends after any of these, which stay its last id as EOS does. */
  stopTokenIds: readonly number[];
}

/** The batch is made smaller once this share of its rows has finished. */
const FINISHED_SHARE = 0.125;

/** New tokens of each row, EOS kept where a row ended by itself. Rows with equal `promptIds` (by reference) share one encoder pass. */
export async function decodeRows(
  sessions: DecoderSessions,
  config: T5Config,
  rows: readonly DecodeRow[],
  options: DecodeOptions,
): Promise<number[][]> {
  const { maxNewTokens, sampling, seed } = options;
  const ends = new Set([config.eosTokenId, ...options.stopTokenIds]);
  const isDone = (result: readonly number[]): boolean => {
    const last = result.at(-1);
    return result.length >= maxNewTokens || (last !== undefined && ends.has(last));
  };
  const prompts = [...new Set(rows.map(({ promptIds }) => promptIds))];
  const place = new Map(prompts.map((ids, i) => [ids, i]));
  const prefixLengths = rows.map(({ prefixIds }) => prefixIds.length);
  const decoder = await sessions.start(
    prompts,
    rows.map(({ promptIds }) => place.get(promptIds) ?? 0),
    Math.max(...prefixLengths) + maxNewTokens,
  );
  const results: number[][] = rows.map(() => []);
  const rngs = rows.map(({ stream, sample }) => rowRng(seed, stream, sample));
  // what all prefixes reach is fed in one pass
  const common = Math.min(...prefixLengths);
  let position = common;
  let active = rows.map((_, r) => r);
  let open = active;
  let tokens = rows.map(({ prefixIds }) => [config.decoderStartTokenId, ...prefixIds.slice(0, common)]);
  for (;;) {
    const logits = await decoder.step(tokens);
    const next = active.map((r, i) => {
      const forced = rows[r]?.prefixIds[position];
      if (forced !== undefined) return forced;
      const result = results[r];
      const rng = rngs[r];
      if (result === undefined || rng === undefined || isDone(result)) return config.padTokenId;
      const row = logits.subarray(i * config.vocabSize, (i + 1) * config.vocabSize);
      const token = sampleToken(row, sampling, rng.next);
      result.push(token);
      return token;
    });
    position += 1;
    open = open.filter((r) => !isDone(results[r] ?? []));
    if (open.length === 0) return results;
    if (open.length <= (1 - FINISHED_SHARE) * active.length) {
      const isOpen = new Set(open);
      const kept = active.flatMap((r, i) => (isOpen.has(r) ? [i] : []));
      decoder.keep(kept);
      tokens = kept.map((i) => [next[i] ?? config.padTokenId]);
      active = open;
    } else tokens = next.map((token) => [token]);
  }
}
