// An input file cut into shards, each the work of one workflow: by bytes and by the tokens estimated.

import type { InputSummary, Shard } from "./ledger-api.ts";

const SHARD_BYTES = 2 ** 20;
const SHARD_TOKENS = 250_000;
/** More would cost the coordinating workflow more steps than it has. */
const MAX_SHARDS = 2_000;

/** Shards that cover all records, in order. */
export function planShards({ cuts, records }: InputSummary, bytes: number): Shard[] {
  const last = cuts.at(-1);
  if (last === undefined) return [];
  const shardBytes = Math.max(SHARD_BYTES, bytes / MAX_SHARDS);
  const shardTokens = Math.max(SHARD_TOKENS, last[2] / MAX_SHARDS);
  const starts = [cuts[0] ?? last];
  for (const cut of cuts) {
    const [byte, , tokens] = starts.at(-1) ?? cut;
    if (cut[0] - byte >= shardBytes || cut[2] - tokens >= shardTokens) starts.push(cut);
  }
  return starts.map(([from, first], shard) => {
    const next = starts[shard + 1];
    return { shard, first, last: next?.[1] ?? records, from, to: next?.[0] ?? bytes };
  });
}
